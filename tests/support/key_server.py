"""A provider of token keys: key_server.py DIRECTORY PORT [CERTIFICATE KEY].

Every request is answered by what the files in DIRECTORY say at that moment: `document` is the key set, `mode` how it
is shown. A byte is added to `requests` for each request.
"""
import http.server
import os
import ssl
import sys
import time

SIZE_MAX = 64 * 1024
directory, port = sys.argv[1], int(sys.argv[2])


def read(name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


class Provider(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body, fields=(), with_length=True):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        if with_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # noqa: N802: the name is the module's
        with open(os.path.join(directory, "requests"), "ab") as file:
            file.write(b".")
        mode, document = read("mode").decode(), read("document")
        if self.path == "/elsewhere" or mode == "good":
            self.answer(200, document)
        elif mode == "redirect":
            self.answer(302, b"", [("Location", "/elsewhere")])
        elif mode == "largest":
            self.answer(200, document.ljust(SIZE_MAX))
        elif mode == "larger":
            self.answer(200, document.ljust(SIZE_MAX + 1))
        elif mode == "larger-unannounced":
            self.answer(200, document.ljust(SIZE_MAX + 1), with_length=False)
        elif mode == "silent":
            time.sleep(60)
        else:
            self.answer(int(mode), document)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Provider)
server.daemon_threads = True
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
