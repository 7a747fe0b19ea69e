"""An S3 server on loopback, by moto, with what a test puts into it."""

import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SECRET = "secret-of-the-object-store"


class ObjectStore:
    """A server with one bucket; `stop` is what happens to servers."""

    bucket = "s3://bucket"

    def __init__(self, server, files):
        self._server, self.files = server, files

    def put(self, folder, name):
        """Copy a folder's files into the bucket, and give the URL of them."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.files.pipe_file(f"bucket/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"{self.bucket}/{name}"

    def stop(self):
        self._server.stop()


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """A store that this process and those that it starts find by the environment alone."""
    server_module = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "tests")
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        environment.setenv("AWS_MAX_ATTEMPTS", "1")
        s3fs.S3FileSystem.clear_instance_cache()  # others of this process know another server
        urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()  # what another one had stays
        files = s3fs.S3FileSystem()
        files.mkdir("bucket")
        try:
            yield ObjectStore(server, files)
        finally:
            server.stop()
            s3fs.S3FileSystem.clear_instance_cache()
