"""A MariaDB server that is away, refuses us, is too old, or is not who it says it is."""

import asyncio
import datetime as dt
import ipaddress
import traceback
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hairem_core.memory.archive.engine import Tls
from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import ColdArchive
from hairem_core.memory.scope import Scope
from tests.memory.archive.conftest import Warm
from tests.memory.archive.samples import fragment, item, whole
from tests.memory.archive.test_mover import remember
from tests.support.child import free_port
from tests.support.mariadb import USER, MariaDb
from tests.support.old_mariadb import OldMariaDb

_ALL = Scope(agent=None)


@pytest.fixture
def own(tmp_path: Path) -> Generator[MariaDb]:
    """A server that the test may kill."""
    server = MariaDb(tmp_path / "mariadb")
    server.start()
    yield server
    server.stop()


async def test_a_server_that_dies_and_comes_back(own: MariaDb, tmp_path: Path) -> None:
    archive = await ColdArchive.open(own.url(own.database()))
    await archive.put([item(whole(), 1, 2)])
    warm = await Warm.open(f"surrealkv://{tmp_path / 'memory'}")
    mover = warm.mover(archive)
    await remember(warm, [fragment(1)])
    known = [await warm.fragments.get(fragment(1).id, _ALL)]

    own.kill()
    with pytest.raises(ArchiveUnavailable) as caught:
        await archive.fetch([whole().id], _ALL)
    assert "Check that the MariaDB server runs" in str(caught.value)
    assert await mover.archive(known) == 0
    assert archive.problem is not None
    assert await warm.fragments.existing([fragment(1).id]) == {fragment(1).id}

    await asyncio.to_thread(own.start)
    assert await archive.fetch([whole().id], _ALL) == {whole().id: item(whole(), 1, 2)}
    assert await mover.archive(known) == 1
    assert archive.problem is None
    await warm.database.close()
    await archive.close()


async def test_what_was_acknowledged_survives_the_servers_death(own: MariaDb) -> None:
    archive = await ColdArchive.open(own.url(own.database()))
    for number in range(20):
        await archive.put([(fragment(number), None)])
    own.kill()
    await asyncio.to_thread(own.start)
    ids = {fragment(number).id for number in range(20)}
    assert await archive.ids(ids) == ids
    await archive.close()


async def test_a_server_that_is_away_at_first(own: MariaDb) -> None:
    url = own.url(own.database())
    own.kill()
    with pytest.raises(ArchiveUnavailable, match="Connect call failed"):
        await ColdArchive.open(url)
    archive = ColdArchive(url)  # does not ask yet
    with pytest.raises(ArchiveUnavailable):
        await archive.put([(fragment(1), None)])
    await asyncio.to_thread(own.start)
    await archive.put([(fragment(1), None)])
    assert await archive.ids([fragment(1).id]) == {fragment(1).id}
    await archive.close()


async def _refusal(url: str, tls: Tls | None = None) -> ArchiveUnavailable:
    with pytest.raises(ArchiveUnavailable) as caught:
        await ColdArchive.open(url, tls=tls)
    return caught.value


async def test_refusals_are_told_without_the_password(mariadb: MariaDb) -> None:
    database = mariadb.database()
    mariadb.execute(f"GRANT ALL ON missing.* TO {USER}@'127.0.0.1'")
    for url, what in (
        (mariadb.url(database, password="hunter2%2A"), "Access denied for user"),
        (mariadb.url(database, user="nobody", password="hunter2%2A"), "Access denied for user"),
        (mariadb.url("missing"), "Unknown database 'missing'"),
    ):
        error = await _refusal(url)
        assert what in str(error)
        assert "memory.archive_url" in str(error)
        whole_story = "".join(traceback.format_exception(error)) + repr(error.args)
        for secret in ("hunter2", mariadb.password, "p%40ss"):
            assert secret not in whole_story


async def test_a_server_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hairem_core.memory.archive.engine._CONNECT_SECONDS", 0.3)

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hears, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await _refusal(f"mysql+aiomysql://hairem:hunter2@127.0.0.1:{port}/house")
    assert "no answer within 0.3 seconds" in str(error)
    server.close()
    server.close_clients()
    await server.wait_closed()


async def test_nobody_listens() -> None:
    url = f"mysql+aiomysql://hairem:hunter2@127.0.0.1:{free_port()}/house"
    error = await _refusal(url)
    assert "Connect call failed" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    "version",
    ["5.5.5-10.6.18-MariaDB-log", "10.10.7-MariaDB", "5.5.68-MariaDB", "8.4.3", "9.1.0-commercial"],
)
async def test_a_server_that_is_too_old_or_another_product(version: str) -> None:
    async with OldMariaDb(version) as old:
        error = await _refusal(f"mysql+aiomysql://hairem:hunter2@127.0.0.1:{old.port}/house")
        assert f"the server is {version}, not MariaDB 10.11 or later" in str(error)
        assert old.answered == b""  # it learns nothing, not even who asked


@pytest.mark.parametrize("version", ["10.11.2-MariaDB", "11.8.3-MariaDB-ubu2404", "12.0.2-MariaDB"])
async def test_a_server_that_is_recent_enough_is_spoken_to(version: str) -> None:
    async with OldMariaDb(version, asks_for="mysql_clear_password") as server:
        error = await _refusal(f"mysql+aiomysql://hairem:hunter2@127.0.0.1:{server.port}/house")
        assert "asks for the password in plain text" in str(error)
        assert b"hairem" in server.answered
        assert b"hunter2" not in server.answered


async def test_tls_is_not_given_up_when_the_server_has_none() -> None:
    async with OldMariaDb("10.11.2-MariaDB") as server:
        url = f"mysql+aiomysql://hairem:hunter2@127.0.0.1:{server.port}/house"
        error = await _refusal(url, Tls())
        assert "offers no TLS" in str(error)
        assert server.answered == b""


class _Authority:
    """Makes certificates, as a household's own authority would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the house")])
        self.certificate = folder / f"ca-{id(self)}.pem"
        made = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        made = made.add_extension(usage, critical=True)
        made = made.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
        )
        self.certificate.write_bytes(
            made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def server(self, *addresses: str) -> list[str]:
        """Return mariadbd's options for a certificate of these IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nas")])
        alternatives = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
        made = self._builder(name, key).add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        )
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
            critical=False,
        )
        certificate, private = self._folder / "server.pem", self._folder / "server.key"
        certificate.write_bytes(
            made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return [f"--ssl-cert={certificate}", f"--ssl-key={private}"]

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(days=1),
            not_valid_after=now + dt.timedelta(days=1),
        )


@pytest.fixture
def authority(tmp_path: Path) -> _Authority:
    return _Authority(tmp_path)


@pytest.fixture
async def encrypted(tmp_path: Path, authority: _Authority) -> AsyncGenerator[MariaDb]:
    """A server that takes encrypted connections only."""
    server = MariaDb(tmp_path / "mariadb", *authority.server("127.0.0.1"))
    await asyncio.to_thread(server.start)
    server.execute(f"ALTER USER {USER}@'127.0.0.1' REQUIRE SSL")
    yield server
    await asyncio.to_thread(server.stop)


async def test_tls(encrypted: MariaDb, authority: _Authority, tmp_path: Path) -> None:
    url = encrypted.url(encrypted.database())
    assert "Access denied" in str(await _refusal(url))  # it would not speak otherwise

    archive = await ColdArchive.open(url, tls=Tls(ca=authority.certificate))
    await archive.put([item(whole(), 1, 2)])
    assert await archive.fetch([whole().id], _ALL) == {whole().id: item(whole(), 1, 2)}
    await archive.close()

    for tls in (Tls(), Tls(ca=_Authority(tmp_path).certificate)):
        error = await _refusal(url, tls)
        assert "certificate verify failed" in str(error)
        assert "memory.archive_tls_ca" in str(error)
    assert "cannot be read" in str(await _refusal(url, Tls(ca=tmp_path / "nowhere.pem")))


async def test_a_certificate_of_another_machine_is_refused(
    tmp_path: Path, authority: _Authority
) -> None:
    server = MariaDb(tmp_path / "mariadb", *authority.server("192.0.2.1"))
    await asyncio.to_thread(server.start)
    try:
        url = server.url(server.database())
        error = await _refusal(url, Tls(ca=authority.certificate))
        assert "not valid for '127.0.0.1'" in str(error)
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_unix_socket_serves(mariadb: MariaDb) -> None:
    name = mariadb.database()
    mariadb.execute(f"GRANT ALL ON {name}.* TO 'local'@'localhost' IDENTIFIED BY 'hunter2'")
    url = f"mysql+aiomysql://local:hunter2@localhost/{name}?unix_socket={mariadb.socket}"
    archive = await ColdArchive.open(url)
    await archive.put([(whole(), None)])
    assert await archive.fetch([whole().id], _ALL) == {whole().id: (whole(), None)}
    assert "hunter2" not in archive.where
    await archive.close()


async def test_less_than_durable_is_warned_of(
    mariadb: MariaDb, caplog: pytest.LogCaptureFixture
) -> None:
    url = mariadb.url(mariadb.database())
    mariadb.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    try:
        await (await ColdArchive.open(url)).close()
    finally:
        mariadb.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    assert "innodb_flush_log_at_trx_commit is 2" in caplog.text
    caplog.clear()
    await (await ColdArchive.open(url)).close()
    assert caplog.text == ""
