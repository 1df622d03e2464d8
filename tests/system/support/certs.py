"""Certificates of the tests' own, made by the openssl command."""
import ssl
import subprocess


class Authority:
    """A certificate authority in a folder; issues certificates for names, addresses and sites."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        self.ca = folder / f"{name}.crt"
        self._openssl("req", "-x509", *self._new_key(name), "-days", "100", "-subj", f"/CN=test {name}",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-out", self.ca)

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def _new_key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.folder / f"{name}.key")

    def issue(self, name, *names, days=90):
        """The paths of a certificate and its key; names such as DNS:localhost, IP:127.0.0.1, or none."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(names or ['DNS:localhost', 'IP:127.0.0.1'])}\n")
        self._openssl("req", *self._new_key(name), "-subj", f"/CN={name}", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / f"{self.name}.key",
                      "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", certificate)
        key.chmod(0o600)
        return certificate, key

    def issue_site(self, name, *names):
        """What a site's configuration says of its certificate under `peers`."""
        certificate, key = self.issue(name, f"URI:cheops://site/{name}", *(names or ["IP:127.0.0.1"]))
        return {"certificate": str(certificate), "key": str(key), "ca": str(self.ca)}

    def server_context(self, name, *names, days=90):
        """An ssl context for an Origin; with days=-1 its certificate has ended a day ago."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, *names, days=days))
        return context

    def client_context(self):
        """An ssl context that trusts this authority, for a Client."""
        return ssl.create_default_context(cafile=str(self.ca))
