"""What a run says: contenders, contrasts, tables and sentences, from its outcomes alone; no files, no drawing."""
