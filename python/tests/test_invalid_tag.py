"""InvalidTag: caught as cryptography's where that is loaded, and never the reason why it is loaded (decision 0025)."""

import subprocess
import sys

BEGIN = """
import pickle, sys, types
import tablecrypt

def forge():
    tablecrypt.AESGCM(bytes(32)).decrypt(bytes(12), bytes(16), None)
"""


def run(tmp_path, code):
    result = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_without_cryptography_it_is_ours_alone_and_loads_nothing(tmp_path):
    run(
        tmp_path,
        """
before = set(sys.modules)
try:
    forge()
except tablecrypt.InvalidTag as error:
    assert type(error) is tablecrypt.InvalidTag
assert not any(name.startswith("cryptography") for name in sys.modules)
assert set(sys.modules) - before == set(), set(sys.modules) - before
assert tablecrypt.InvalidTag.__bases__ == (tablecrypt.TablecryptError,)
""",
    )


def test_code_that_catches_cryptography_s_goes_on_working_whichever_is_imported_first(tmp_path):
    for order in ["", "import cryptography.exceptions; import tablecrypt\n"]:
        run(
            tmp_path,
            f"{order}"
            """
from cryptography.exceptions import InvalidTag
for _ in range(2):
    try:
        forge()
    except InvalidTag as error:
        caught = error
    else:
        raise SystemExit("nothing was raised")
    assert type(caught) is tablecrypt.InvalidTag and isinstance(caught, tablecrypt.TablecryptError)
    assert tablecrypt.InvalidTag.__bases__ == (tablecrypt.TablecryptError, InvalidTag)
back = pickle.loads(pickle.dumps(caught))
assert type(back) is tablecrypt.InvalidTag and str(back) == str(caught)
""",
        )


def test_a_late_import_catches_from_the_next_one_on(tmp_path):
    # The price of never importing cryptography by ourselves; decision 0025 says why it is paid.
    run(
        tmp_path,
        """
def caught_by_a_late_import():
    try:
        forge()
    except Exception as error:
        from cryptography.exceptions import InvalidTag
        return isinstance(error, InvalidTag)
assert [caught_by_a_late_import() for _ in range(3)] == [False, True, True]
""",
    )


def test_a_module_that_only_has_the_name_does_not_come_in_the_way(tmp_path):
    for impostor in ["None", "7", "object", "type('InvalidTag', (OSError,), {'__slots__': ('a', 'b')})", "int", "SystemExit"]:
        run(
            tmp_path,
            f"""
sys.modules["cryptography.exceptions"] = types.SimpleNamespace(InvalidTag={impostor})
try:
    forge()
except tablecrypt.InvalidTag as error:
    assert tablecrypt.InvalidTag.__bases__ == (tablecrypt.TablecryptError,), tablecrypt.InvalidTag.__bases__
""",
        )
