#!/usr/bin/env python3
"""Checks Kubernetes manifests by the schemas of some releases, without a cluster. A field that a release does not know
is an error, as with `kubectl apply`. Of values, only the types are checked.

usage: check.py WHEEL RELEASES FOLDER FILE...

WHEEL is the package kubernetes-validate, which has the schemas. RELEASES are for example 1.25,1.37. FOLDER has the
definitions of custom resources (CRDs). The file - is standard input.
"""

import json
import pathlib
import re
import sys
import zipfile

import jsonschema
import referencing
import yaml

FOLDER = "kubernetes_validate/kubernetes-json-schema/v{}.0-local-strict/"


class Loader(yaml.SafeLoader):
    """Refuses a duplicate key, because PyYAML silently takes the last one."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"duplicate key {key.value}", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class Release:
    """The schemas of a release. They stay packed, because there are thousands, and few are needed."""

    def __init__(self, wheel, release, custom):
        self.wheel, self.release, self.folder = wheel, release, FOLDER.format(release)
        self.custom = custom
        definitions = referencing.Resource.from_contents(self.read("_definitions"))
        self.registry = definitions @ referencing.Registry()

    def read(self, name):
        return json.loads(self.wheel.read(f"{self.folder}{name}.json"))

    def errors(self, manifest):
        """Returns the errors of a manifest, each as a sentence."""
        kind, version = str(manifest.get("kind")), str(manifest.get("apiVersion"))
        if (kind, version) in self.custom:
            return said(f"{version}", self.custom[kind, version], manifest)
        # The schema of batch/v1 is batch-v1, and that of policy.networking.k8s.io/v1 is policy-v1.
        group = re.sub(r"^([^./]*)(\.[^/]*)?/", r"\1-", version)
        try:
            schema = self.read(f"{kind.lower()}-{group}")
        except KeyError:
            return [f"Kubernetes {self.release} has no {kind} of {version}"]
        validator = jsonschema.Draft202012Validator(schema, registry=self.registry)
        return said(f"Kubernetes {self.release}", validator, manifest)


def said(who, validator, manifest):
    found = [(".".join(map(str, error.absolute_path)), error.message) for error in validator.iter_errors(manifest)]
    return [f"{who}: {path}: {message}" for path, message in found]


def strict(schema):
    """Returns the schema of a custom resource, in which an unknown field is an error."""
    if isinstance(schema, list):
        return [strict(own) for own in schema]
    if not isinstance(schema, dict):
        return schema
    own = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            own.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        own["type"] = ["integer", "string"]
    return own


def custom_resources(folder):
    """Returns the schemas of the definitions in a folder, by kind and version."""
    found = {}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # Each object has this field, but the definition leaves it open.
            schema["properties"]["metadata"] = {"type": "object"}
            name = spec["names"]["kind"], f"{spec['group']}/{version['name']}"
            found[name] = jsonschema.Draft202012Validator(schema)
    return found


def manifests(path):
    with sys.stdin if path == "-" else open(path, encoding="utf-8") as file:
        return [own for own in yaml.load_all(file, Loader) if own is not None]


def main(wheel, releases, folder, *paths):
    with zipfile.ZipFile(wheel) as packed:
        custom = custom_resources(folder)
        schemas = [Release(packed, release, custom) for release in releases.split(",")]
        wrong = checked = 0
        for path in paths:
            try:
                found = manifests(path)
            except (OSError, yaml.YAMLError) as error:
                sys.exit(f"{path}: {error}")
            for manifest in found:
                checked += 1
                name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
                for error in (error for own in schemas for error in own.errors(manifest)):
                    wrong += 1
                    print(f"{path}: {name}: {error}", file=sys.stderr)
    if not checked:
        sys.exit("no manifest in the files")
    if wrong:
        sys.exit(1)
    print(f"{checked} manifest(s) accepted by the schemas of Kubernetes {releases.replace(',', ' and ')}")


if __name__ == "__main__":
    main(*sys.argv[1:])
