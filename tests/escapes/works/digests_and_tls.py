# Attempts: nothing hostile: digests, key derivation, and TLS between two ends of a pipe.
# Expect: completed works
import hashlib
import hmac
import secrets
import ssl
import zlib

expected = {
    "md5": "900150983cd24fb0d6963f7d28e17f72",
    "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha3_256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
}
for name, digest in expected.items():
    assert hashlib.new(name, b"abc").hexdigest() == digest, name
assert hashlib.blake2b(b"abc", digest_size=8).hexdigest() == "d8bb14d833d59559"
assert hmac.new(b"k", b"m", "sha256").hexdigest() == hmac.digest(b"k", b"m", "sha256").hex()
print(hashlib.pbkdf2_hmac("sha256", b"word", b"salt", 1000).hex())
print(hashlib.scrypt(b"word", salt=b"salt", n=1024, r=8, p=1).hex()[:32], zlib.crc32(b"abc"))
assert len(secrets.token_bytes(32)) == 32 and secrets.token_hex() != secrets.token_hex()
context = ssl.create_default_context()
assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
client = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outgoing.read()
assert hello[0] == 22 and b"example.org" in hello
incoming.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
try:
    client.do_handshake()
except ssl.SSLError as error:
    print(error.reason)
print("works")
