# SPDX-License-Identifier: BSD-3-Clause
"""DTLS of OpenSSL over a connected UDP socket, with the calls of a socket. Python has TLS only."""

import ctypes
import ctypes.util
import select
import time

ssl = ctypes.CDLL(ctypes.util.find_library("ssl"))
crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for library, name, result, *arguments in (
        (ssl, "DTLS_client_method", ctypes.c_void_p),
        (ssl, "SSL_CTX_new", ctypes.c_void_p, ctypes.c_void_p),
        (ssl, "SSL_CTX_free", None, ctypes.c_void_p),
        (ssl, "SSL_CTX_load_verify_locations", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p),
        (ssl, "SSL_CTX_set_verify", None, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p),
        (ssl, "SSL_CTX_set_alpn_protos", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint),
        (ssl, "SSL_CTX_use_certificate_chain_file", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
        (ssl, "SSL_CTX_use_PrivateKey_file", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        (ssl, "SSL_new", ctypes.c_void_p, ctypes.c_void_p),
        (ssl, "SSL_free", None, ctypes.c_void_p),
        (ssl, "SSL_ctrl", ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p),
        (ssl, "SSL_set_bio", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
        (ssl, "SSL_set_session", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
        (ssl, "SSL_get1_session", ctypes.c_void_p, ctypes.c_void_p),
        (ssl, "SSL_session_reused", ctypes.c_int, ctypes.c_void_p),
        (ssl, "SSL_get_version", ctypes.c_char_p, ctypes.c_void_p),
        (ssl, "SSL_get0_alpn_selected", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
        (ssl, "SSL_connect", ctypes.c_int, ctypes.c_void_p),
        (ssl, "SSL_read", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        (ssl, "SSL_write", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
        (ssl, "SSL_shutdown", ctypes.c_int, ctypes.c_void_p),
        (ssl, "SSL_renegotiate", ctypes.c_int, ctypes.c_void_p),
        (ssl, "SSL_do_handshake", ctypes.c_int, ctypes.c_void_p),
        (ssl, "SSL_get_error", ctypes.c_int, ctypes.c_void_p, ctypes.c_int),
        (ssl, "SSL_set1_host", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
        (crypto, "BIO_new_dgram", ctypes.c_void_p, ctypes.c_int, ctypes.c_int),
        (crypto, "BIO_ctrl", ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p),
        (crypto, "ERR_get_error", ctypes.c_ulong),
        (crypto, "ERR_clear_error", None),
        (crypto, "ERR_error_string", ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)):
    getattr(library, name).restype = result
    getattr(library, name).argtypes = arguments

WANT_READ, ZERO_RETURN = 2, 6
BIO_SET_CONNECTED = 32
SET_TLSEXT_HOSTNAME = 55
DTLS_HANDLE_TIMEOUT = 74
SSL_VERIFY_PEER, PEM = 1, 1


class Error(OSError):
    pass


class Ended(Error):
    """The other side said so."""


class Session:
    """`sock` is connected. The handshake is done here."""

    def __init__(self, sock, name=None, ca=None, alpn=b"", certificate=None, session=None, timeout=5):
        self.sock, self.timeout = sock, timeout
        sock.setblocking(False)
        context = ssl.SSL_CTX_new(ssl.DTLS_client_method())
        if ca:
            assert ssl.SSL_CTX_load_verify_locations(context, str(ca).encode(), None) == 1
            ssl.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, None)
        if alpn:
            ssl.SSL_CTX_set_alpn_protos(context, alpn, len(alpn))
        if certificate:
            ssl.SSL_CTX_use_certificate_chain_file(context, str(certificate[0]).encode())
            ssl.SSL_CTX_use_PrivateKey_file(context, str(certificate[1]).encode(), PEM)
        self.ssl = ssl.SSL_new(context)
        ssl.SSL_CTX_free(context)
        bio = crypto.BIO_new_dgram(sock.fileno(), 0)
        crypto.BIO_ctrl(bio, BIO_SET_CONNECTED, 0, address(sock.getpeername()))
        ssl.SSL_set_bio(self.ssl, bio, bio)
        if name:
            ssl.SSL_ctrl(self.ssl, SET_TLSEXT_HOSTNAME, 0, name.encode())
            ssl.SSL_set1_host(self.ssl, name.encode())
        if session:
            ssl.SSL_set_session(self.ssl, session)
        try:
            self.connect_it()
        except BaseException:
            self.close(farewell=False)
            raise

    def connect_it(self):
        self._until_done(lambda: ssl.SSL_connect(self.ssl))

    def _until_done(self, call):
        deadline = time.monotonic() + self.timeout
        while True:
            crypto.ERR_clear_error()
            n = call()
            if n > 0:
                return n
            error = ssl.SSL_get_error(self.ssl, n)
            if error == ZERO_RETURN:
                raise Ended("close_notify")
            if error != WANT_READ:
                raise Error(crypto.ERR_error_string(crypto.ERR_get_error(), None).decode())
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("DTLS")
            if not select.select([self.sock], [], [], min(left, 0.1))[0]:
                ssl.SSL_ctrl(self.ssl, DTLS_HANDLE_TIMEOUT, 0, None)

    def connect(self, server):
        """It is."""

    def send(self, data):
        return self._until_done(lambda: ssl.SSL_write(self.ssl, bytes(data), len(data)))

    def recv(self, most):
        buffer = ctypes.create_string_buffer(max(most, 1))
        n = self._until_done(lambda: ssl.SSL_read(self.ssl, buffer, most))
        return buffer.raw[:n]

    def settimeout(self, seconds):
        self.timeout = seconds

    def getsockname(self):
        return self.sock.getsockname()

    def renegotiate(self):
        ssl.SSL_renegotiate(self.ssl)
        ssl.SSL_do_handshake(self.ssl)

    def session(self):
        return ssl.SSL_get1_session(self.ssl)

    def reused(self):
        return bool(ssl.SSL_session_reused(self.ssl))

    def version(self):
        return ssl.SSL_get_version(self.ssl).decode()

    def alpn(self):
        at, length = ctypes.c_void_p(), ctypes.c_uint()
        ssl.SSL_get0_alpn_selected(self.ssl, ctypes.byref(at), ctypes.byref(length))
        return ctypes.string_at(at.value, length.value) if at.value else b""

    def close(self, farewell=True):
        if self.ssl:
            if farewell:
                ssl.SSL_shutdown(self.ssl)
            ssl.SSL_free(self.ssl)
        self.ssl = None
        self.sock.close()


def address(name):
    """BIO_ADDR: struct sockaddr_in or struct sockaddr_in6."""
    import socket
    import struct
    if len(name) == 2:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", name[1]) + socket.inet_aton(name[0]) + bytes(8)
    return (struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", name[1], 0) +
            socket.inet_pton(socket.AF_INET6, name[0]) + bytes(4))
