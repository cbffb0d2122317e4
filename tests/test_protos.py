"""The contract: its generated code is up to date, and it keeps to the style guide's basics."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from google.protobuf.descriptor import EnumDescriptor, MethodDescriptor
from latentlayers.v1 import (
    daemon_service_pb2,
    editing_service_pb2,
    embedding_service_pb2,
    latent_pb2,
    model_service_pb2,
    picture_pb2,
)

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "daemon" / "latentlayers" / "v1"
FILES = [
    module.DESCRIPTOR
    for module in (
        daemon_service_pb2,
        editing_service_pb2,
        embedding_service_pb2,
        latent_pb2,
        model_service_pb2,
        picture_pb2,
    )
]
SERVICES = [service for file in FILES for service in file.services_by_name.values()]
METHODS = [method for service in SERVICES for method in service.methods]
MESSAGES = [message for file in FILES for message in file.message_types_by_name.values()]
ENUMS = [enum for file in FILES for enum in file.enum_types_by_name.values()]


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools")
    script = ROOT / "install" / "generate_protos.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=120)
    fresh = {file.name: file.read_text() for file in (tmp_path / "latentlayers" / "v1").iterdir()}
    checked_in = {file.name: file.read_text() for file in GENERATED.glob("*_pb2*") if file.suffix in (".py", ".pyi")}
    assert fresh == checked_in, "run `python install/generate_protos.py`"


def test_every_proto_file_is_covered_by_these_checks() -> None:
    assert {file.name for file in FILES} == {
        str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto")
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_package_and_folder_agree(file: object) -> None:
    assert file.package == "latentlayers.v1"  # type: ignore[attr-defined]
    assert file.name.startswith("latentlayers/v1/")  # type: ignore[attr-defined]


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.name)
def test_enum_values_carry_the_enums_name_and_zero_is_unspecified(enum: EnumDescriptor) -> None:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
    assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED"
    for value in enum.values:
        assert re.fullmatch(rf"{prefix}_[A-Z0-9_]+", value.name)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_call_has_messages_of_its_own(method: MethodDescriptor) -> None:
    assert method.input_type.name == f"{method.name}Request"
    assert method.output_type.name == f"{method.name}Response"
    users = [other for other in METHODS if method.input_type in (other.input_type, other.output_type)]
    assert users == [method]


def test_services_messages_and_fields_are_named_by_the_style_guide() -> None:
    assert all(service.name.endswith("Service") for service in SERVICES)
    for message in MESSAGES:
        assert re.fullmatch(r"([A-Z][a-z0-9]*)+", message.name)
        for field in message.fields:
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name), field.full_name


def test_every_service_and_every_call_that_its_name_does_not_explain_has_a_comment() -> None:
    for path in (ROOT / "protos").rglob("*.proto"):
        lines = path.read_text().splitlines()
        for before, line in pairwise(lines):
            if line.lstrip().startswith(("service ", "rpc ")):
                explained = before.lstrip().startswith("//")
                plain = re.match(r"\s*rpc (Get|List|Delete|Export|Import|Remove)", line)
                assert explained or plain, f"{path.name}: {line.strip()}"
