"""A directory that does what pebble does not: profiles, times to renew, and answers that are bent as a test wants."""

import base64
import datetime
import http.server
import json
import ssl
import threading

import chatgate_tls.selfsigned as selfsigned
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOUR = datetime.timedelta(hours=1)


class StandIn:
    """It believes everybody. bend: by path ("/order", …) a function that is called with the handler in place of what it
    does; asked: (path, payload) of each request. days: for which a certificate is valid. window: of renewal.
    """

    def __init__(self, folder, **meta):
        folder.mkdir(exist_ok=True)
        self.bundle = folder / "cert.pem"
        selfsigned.make(self.bundle, folder / "key.pem", ["127.0.0.1"])
        self.asked, self.meta, self.days, self.window = [], meta, 90, None
        self.bend = {}
        self._key, self.chain = ec.generate_private_key(ec.SECP256R1()), ""
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one piece

            def do_GET(self):
                standin._answer(self, None)

            do_HEAD = do_GET

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                payload = base64.urlsafe_b64decode(body["payload"] + "==")
                standin._answer(self, json.loads(payload) if payload else None)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.bundle, folder / "key.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.base = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self):
        return {"directory": f"{self.base}/dir", "ca_bundle": str(self.bundle), "agree_to_terms": True}

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler, payload):
        path = "/" + handler.path.split("/")[1]
        self.asked.append((path, payload))
        try:
            if path in self.bend:
                return self.bend[path](handler)
            status, content, *headers = getattr(self, f"_{path[1:]}")(payload)
            self.reply(handler, status, content, **(headers[0] if headers else {}))
        except OSError:  # the client has gone
            pass

    def reply(self, handler, status, content, **headers):
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        handler.send_response(status)
        kind = "application/problem+json" if status >= 400 else "application/json"
        for name, value in {"Content_Type": kind, "Replay_Nonce": "AAAA", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def problem(self, status, kind, **headers):
        said = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "because"}
        return lambda handler: self.reply(handler, status, said, **headers)

    def _dir(self, _):
        found = {"newNonce": "nonce", "newAccount": "account", "newOrder": "neworder", "revokeCert": "x"}
        found |= {"renewalInfo": "renewal"} if self.window else {}
        return 200, {name: f"{self.base}/{path}" for name, path in found.items()} | {"meta": self.meta}

    def _nonce(self, _):
        return 200, ""

    def _account(self, _):
        return 201, {"status": "valid"}, {"Location": f"{self.base}/acct/1"}

    def _neworder(self, payload):
        self.order = payload
        return 201, self._state("ready"), {"Location": f"{self.base}/order/1"}

    def _state(self, status):
        found = {"status": status, "identifiers": self.order["identifiers"], "finalize": f"{self.base}/finalize"}
        found["authorizations"] = [f"{self.base}/authz/{n}" for n in range(len(self.order["identifiers"]))]
        return found | ({"certificate": f"{self.base}/cert"} if status == "valid" else {})

    def _authz(self, _):
        return 200, {"status": "valid", "identifier": self.order["identifiers"][0], "challenges": []}

    def _order(self, _):
        return 200, self._state("valid")

    def _finalize(self, payload):
        csr = x509.load_der_x509_csr(base64.urlsafe_b64decode(payload["csr"] + "=="))
        now = datetime.datetime.now(datetime.UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Stand-in")])
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(name)
            .public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + self.days * 24 * HOUR)
            .add_extension(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value, False)
            .add_extension(key_id, False)
            .sign(self._key, hashes.SHA256())
        )
        self.chain = made.public_bytes(serialization.Encoding.PEM).decode()
        return 200, self._state("processing")

    def _cert(self, _):
        return 200, self.chain

    def _renewal(self, _):
        start, end = (at.isoformat().replace("+00:00", "Z") for at in self.window)
        return 200, {"suggestedWindow": {"start": start, "end": end}}
