"""One TLS session as a server with GnuTLS's library: TLS on a TCP port, plain octets on standard input and output.

gnutls-serv can only echo and serve pages, so it cannot speak BEEP under its TLS; this is the same library with a pipe.

    python3 gnutls-server.py PRIORITY CERTIFICATE KEY AUTHORITY

Prints `port N` on standard error when it listens, and what was negotiated after the handshake.
"""

import ctypes
import os
import select
import socket
import sys

SERVER, CRD_CERTIFICATE, PEM, REQUEST, SHUT_WR = 1, 1, 1, 1, 1
AGAIN, INTERRUPTED, PREMATURE = -28, -52, -110

gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_record_recv.restype = ctypes.c_ssize_t
gnutls.gnutls_record_send.restype = ctypes.c_ssize_t
gnutls.gnutls_record_check_pending.restype = ctypes.c_size_t
gnutls.gnutls_session_get_desc.restype = ctypes.c_char_p
gnutls.gnutls_strerror.restype = ctypes.c_char_p


def checked(what, code):
    if code < 0:
        sys.stderr.write("%s: %s\n" % (what, gnutls.gnutls_strerror(code).decode()))
        sys.exit(1)
    return code


def main():
    priority, certificate, key, authority = (argument.encode() for argument in sys.argv[1:5])
    credentials, session = ctypes.c_void_p(), ctypes.c_void_p()
    checked("credentials", gnutls.gnutls_certificate_allocate_credentials(ctypes.byref(credentials)))
    checked("authority", gnutls.gnutls_certificate_set_x509_trust_file(credentials, authority, PEM))
    checked("certificate", gnutls.gnutls_certificate_set_x509_key_file(credentials, certificate, key, PEM))
    checked("session", gnutls.gnutls_init(ctypes.byref(session), SERVER))
    checked("priority", gnutls.gnutls_priority_set_direct(session, priority, None))
    checked("credentials", gnutls.gnutls_credentials_set(session, CRD_CERTIFICATE, credentials))
    gnutls.gnutls_certificate_server_set_request(session, REQUEST)

    listener = socket.create_server(("127.0.0.1", 0))
    sys.stderr.write("port %d\n" % listener.getsockname()[1])
    sys.stderr.flush()
    connection, _ = listener.accept()
    listener.close()
    gnutls.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
    while True:
        code = gnutls.gnutls_handshake(session)
        if code not in (AGAIN, INTERRUPTED):
            break
    checked("handshake", code)
    status = ctypes.c_uint(0)
    verified = gnutls.gnutls_certificate_verify_peers2(session, ctypes.byref(status))
    client = "none" if verified < 0 else "trusted" if status.value == 0 else "not trusted (%#x)" % status.value
    description = gnutls.gnutls_session_get_desc(session).decode()
    sys.stderr.write("secured %s; client certificate %s\n" % (description, client))
    sys.stderr.flush()
    relay(session, connection)


def relay(session, connection):
    buffer = ctypes.create_string_buffer(16384)
    sources = [connection, sys.stdin]
    while connection in sources:
        ready = sources if gnutls.gnutls_record_check_pending(session) else select.select(sources, [], [])[0]
        if gnutls.gnutls_record_check_pending(session) or connection in ready:
            got = gnutls.gnutls_record_recv(session, buffer, ctypes.c_size_t(len(buffer)))
            if got in (AGAIN, INTERRUPTED):
                continue
            if got in (0, PREMATURE):
                return
            checked("receive", got)
            write_all(buffer.raw[:got])
            continue
        octets = os.read(sys.stdin.fileno(), 16384)
        if octets == b"":
            gnutls.gnutls_bye(session, SHUT_WR)
            sources.remove(sys.stdin)
        while octets:
            octets = octets[checked("send", gnutls.gnutls_record_send(session, octets, ctypes.c_size_t(len(octets)))):]


def write_all(octets):
    while octets:
        octets = octets[os.write(sys.stdout.fileno(), octets):]


main()
