"""What the product is made of, as a CycloneDX document: the same bytes each time for the same locks and platform."""

import json
import re
from collections.abc import Iterable
from importlib.metadata import version
from uuid import NAMESPACE_OID, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement

from tests.supply_chain.licences import licence_of
from tests.supply_chain.locked import ROOT, RUN, Package, packages

VENDORED = re.compile(r"npm package `(?P<name>[\w.-]+)` (?P<version>[\w.]+) \((?P<licence>[^,)]+)")
NAMED = {"Apache License 2.0": "Apache-2.0"}
LICENCES = LicenseFactory()


def bill_of_materials() -> str:
    """JSON. Lists what runs: packages with the hashes of their files, and what of others this repository holds."""
    locked = packages(RUN)
    product = Component(
        name="unisson",
        type=ComponentType.APPLICATION,
        version=version("unisson"),
        bom_ref="unisson",
        licenses=[LICENCES.make_from_string("Apache-2.0")],
    )
    components = {package.name: _component(package) for package in locked}
    bom = Bom(components=[*components.values(), *_vendored()], serial_number=uuid5(NAMESPACE_OID, RUN.read_text()))
    bom.metadata.component = product
    direct = _needs(Package("unisson", product.version or "", ()))
    bom.register_dependency(product, [components[name] for name in direct if name in components])
    for package in locked:
        needed = [components[name] for name in _needs(package) if name in components]
        bom.register_dependency(components[package.name], needed)
    written = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del written["metadata"]["timestamp"]
    return json.dumps(written, indent=2, sort_keys=True) + "\n"


def _component(package: Package) -> Component:
    installed = package.installed
    licence = licence_of(installed.metadata) if installed else None  # type: ignore[arg-type]
    return Component(
        name=package.name,
        version=package.version,
        bom_ref=f"pkg:pypi/{package.name}@{package.version}",
        purl=PackageURL("pypi", None, package.name, package.version),
        licenses=[LICENCES.make_from_string(licence)] if licence else (),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in package.hashes],
    )


def _vendored() -> Iterable[Component]:
    """What `api/static` serves."""
    said = VENDORED.search((ROOT / "api" / "static" / "README.md").read_text())
    assert said is not None
    yield Component(
        name=said["name"],
        version=said["version"],
        bom_ref=f"pkg:npm/{said['name']}@{said['version']}",
        purl=PackageURL("npm", None, said["name"], said["version"]),
        licenses=[LICENCES.make_from_string(NAMED[said["licence"]])],
    )


def _needs(package: Package) -> list[str]:
    """Names of what a package asks for here, without its extras."""
    installed = package.installed
    asked = [Requirement(line) for line in (installed.requires or ())] if installed else []
    wanted = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    return sorted({re.sub(r"[-_.]+", "-", each.name).lower() for each in wanted})
