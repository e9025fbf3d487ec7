"""What works in the sandbox as it does outside."""

import ssl

from tests.hotplug.sandbox.client import House


def test_python_is_whole(house: House) -> None:
    code = """
import colorsys, csv, ctypes, decimal, email.message, hashlib, http.client, lzma, sqlite3, ssl
import subprocess, tempfile, tomllib, urllib.request, uuid, xml.etree.ElementTree, zoneinfo
import html.parser, multiprocessing, pydantic.networks
from datetime import datetime
with sqlite3.connect("notes.db") as database:
    database.execute("pragma journal_mode=wal")
    database.execute("create table if not exists notes (text)")
    database.execute("insert into notes values ('a')")
    result = [database.execute("select text from notes").fetchone()[0]]
database.close()
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("text")
    result.append(os.path.dirname(file.name) == os.getcwd())
context = ssl.create_default_context()
result.append(context.cert_store_stats()["x509_ca"])
result.append(str(datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")).utcoffset()))
os.makedirs("x/y"); os.rename("x/y", "z"); os.rmdir("z"); os.rmdir("x")
os.symlink("notes.db", "alias"); os.unlink("alias")
print("words", file=open("/dev/null", "w"))
result.append(os.path.expanduser("~") == os.getcwd())
result.append(len(os.urandom(8)) + os.cpu_count() > 8)
"""
    certificates = ssl.create_default_context().cert_store_stats()["x509_ca"]
    expected = ["a", True, certificates, "2:00:00", True, True]
    assert house.run(code).result == expected


def test_names_are_looked_up_in_a_thread(house: House) -> None:
    code = """
async def main():
    return await asyncio.get_running_loop().getaddrinfo("localhost", 80)
result = asyncio.run(main())[0][4][1]
"""
    assert house.run(code, ports=[443]).result == 80


def test_the_next_generation_has_the_same_folder(house: House) -> None:
    house.run("open('kept', 'w').write('text')", agent="again")
    assert house.run("result = open('kept').read()", agent="again").result == "text"
