import pytest


@pytest.fixture(autouse=True)
def _no_data_of_this_machine(monkeypatch, tmp_path):
    """Tests see the data that they write themselves, whatever the machine that runs them holds."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("CVCLASSIC_DATA", raising=False)
