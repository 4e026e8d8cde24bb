#!/usr/bin/env python3
"""Reads an OpenAPI document and what a server answered (JSON on stdin), and holds one to the other; runs in the environment
of the validator. Last line: `N passed, N failed`."""
import copy
import json
import sys

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from openapi_spec_validator import OpenAPIV30SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4


PLACE = "urn:icecore:openapi"


class Document:
    def __init__(self, openapi: dict):
        self.openapi = openapi
        resource = Resource.from_contents(openapi, default_specification=DRAFT4)
        self.registry = Registry().with_resource(PLACE, resource)

    def resolve(self, node: dict) -> dict:
        while "$ref" in node:
            target = self.openapi
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    @staticmethod
    def absolute(node):
        """The same schema, whose references name the document."""
        if isinstance(node, dict):
            return {key: PLACE + value if key == "$ref" else Document.absolute(value) for key, value in node.items()}
        return [Document.absolute(item) for item in node] if isinstance(node, list) else node

    def errors(self, schema: dict, value) -> list[str]:
        validator = OAS30Validator(self.absolute(schema), registry=self.registry, format_checker=oas30_format_checker)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(value)]

    def check(self, answer: dict) -> list[str]:
        """What is not as the document says."""
        if answer["status"] != answer["expected"]:
            return [f"status {answer['status']}, expected {answer['expected']}: {answer['body'][:300]}"]
        operation = self.openapi["paths"][answer["path"]][answer["method"].lower()]
        if str(answer["status"]) not in operation["responses"]:
            return [f"status {answer['status']} is not in the document"]
        content = self.resolve(operation["responses"][str(answer["status"])]).get("content")
        if content is None:
            return [f"a body that the document lacks: {answer['body'][:100]}"] if answer["body"] else []
        if answer["type"] not in content:
            return [f"content type {answer['type']}, the document has {list(content)}"]
        value = json.loads(answer["body"]) if "json" in answer["type"] else answer["body"]
        problems = self.errors(content[answer["type"]]["schema"], value)
        if answer["status"] == 200 and answer["document"] is not None:
            wanted = operation["requestBody"]["content"]["application/json"]["schema"]
            problems += [f"request: {problem}" for problem in self.errors(wanted, answer["document"])]
        return problems


def notices_planted_breaks(openapi: dict) -> list[str]:
    """The checks must be able to fail."""
    broken = copy.deepcopy(openapi)
    broken["paths"]["/healthz"]["get"].pop("responses")
    if not list(OpenAPIV30SpecValidator(broken).iter_errors()):
        return ["the validator accepts an operation without responses"]
    answer = {"method": "GET", "path": "/healthz", "document": None, "expected": 200, "status": 200,
              "type": "application/json", "body": '{"status": 1}'}
    if not Document(openapi).check(answer):
        return ["the schemas accept a status that is a number"]
    return []


def main() -> int:
    work = json.load(sys.stdin)
    openapi, passed, failed = work["openapi"], 0, 0

    def count(what: str, problems: list[str]) -> None:
        nonlocal passed, failed
        passed, failed = passed + (not problems), failed + bool(problems)
        for problem in problems:
            print(f"FAIL {what}: {problem}")

    count("document", [str(error)[:300] for error in OpenAPIV30SpecValidator(openapi).iter_errors()])
    count("planted breaks", notices_planted_breaks(openapi))
    for path, item in openapi["paths"].items():
        for operation in item.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                if "example" in media:
                    count(f"example of {path}", Document(openapi).errors(media["schema"], media["example"]))
    for answer in work["answers"]:
        count(f"{answer['method']} {answer['path']} {answer['expected']}", Document(openapi).check(answer))
    asked = {answer["path"] for answer in work["answers"]}
    count("coverage", [f"nobody asked {path}" for path in openapi["paths"] if path not in asked])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
