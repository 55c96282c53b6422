"""TLS under the MQTT link: the calls of a plain socket, and like those none of them waits.

One authority is pinned, the one in the box's own file: no other may vouch for the
broker, whoever trusts it elsewhere.  MicroPython has mbedtls as the module tls, CPython
has ssl; where there is neither (OpenWrt's micropython-nossl, our static executable) a
door says so when it starts.

The handshake runs inside the first reads and writes.  Its arithmetic is one piece of C
that cannot be cut into steps: once a connection, a tenth of a second on a slow box.
"""

from binascii import a2b_base64

from ..errors import LocalError, RemoteError

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"


def certificates(pem):
    """List of the certificates (DER, bytes) in a PEM file's bytes.  LocalError if there is none."""
    out = []
    rest = pem
    while True:
        _, found, rest = rest.partition(_BEGIN)
        body, ended, rest = rest.partition(_END)
        if not found or not ended:
            break
        try:
            out.append(a2b_base64(body.replace(b"\n", b"").replace(b"\r", b"")))
        except ValueError:
            raise LocalError("a certificate in it is damaged")
    if not out:
        raise LocalError("it holds no certificate; it takes one in PEM, the broker's authority")
    return out


def make(pem, host):
    """What wraps connected sockets in TLS with `host`, by the authority in a PEM file's bytes.

    LocalError if this interpreter has no TLS or the file no certificate.
    """
    ca = certificates(pem)
    try:
        import tls  # MicroPython's

        return _Micro(tls, ca, host)
    except ImportError:
        pass
    try:
        import ssl

        return _C(ssl, ca, host)
    except ImportError:
        raise LocalError("this interpreter has no TLS: use one that has, or a broker inside your own network")


class _Tls:
    """Wraps sockets; `calls` names what writes and what reads one."""

    def __init__(self, module, ca, host):
        self.module = module
        self._host = host
        self._context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        self._context.verify_mode = module.CERT_REQUIRED
        try:
            self._trust(ca)
        except (ValueError, OSError):
            raise LocalError("a certificate in it is damaged")

    def wrap(self, socket):
        """The socket (connected, non-blocking) with TLS on it."""
        wrapped = self._context.wrap_socket(socket, server_hostname=self._host, do_handshake_on_connect=False)
        return _Socket(wrapped, self)


class _Socket:
    """`handshaking` is True until the broker took our first bytes: until then we wait for its own."""

    def __init__(self, socket, tls):
        self._tls = tls
        self._write, self._read = (getattr(socket, call) for call in tls.calls)
        self.handshaking = True
        self.close = socket.close

    def send(self, piece):
        """How many bytes of the piece went out, None if none may now.  OSError, RemoteError."""
        count = self._tls.guard(self._write, piece)
        if count is not None:
            self.handshaking = False
        return count

    def recv_into(self, buffer):
        """How many bytes came, 0 at the end, None if there are none now.  OSError, RemoteError."""
        return self._tls.guard(self._read, buffer)


class _Micro(_Tls):
    calls = ("write", "readinto")

    def _trust(self, ca):
        for certificate in ca:
            self._context.load_verify_locations(certificate)

    def guard(self, call, data):
        try:
            return call(data)
        except ValueError as problem:  # what is wrong with the certificate, in lines
            raise RemoteError("TLS: " + " ".join(str(problem).split()))
        except OSError as problem:
            # mbedtls counts its errors downward from 0, the kernel upward.
            if problem.errno < 0:
                raise RemoteError("TLS: %s" % (problem.args[1] if len(problem.args) > 1 else problem.errno))
            raise


class _C(_Tls):
    calls = ("send", "recv_into")

    def _trust(self, ca):
        for certificate in ca:
            self._context.load_verify_locations(cadata=certificate)

    def guard(self, call, data):
        ssl = self.module
        try:
            return call(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLZeroReturnError:
            return 0
        except ssl.SSLError as problem:
            raise RemoteError("TLS: " + (getattr(problem, "verify_message", "") or problem.reason or str(problem)))
