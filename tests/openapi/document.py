"""Is docs/openapi.yaml a sound OpenAPI 3.1 document, as strict as the project wants it?

Every check_* function returns a list of complaints; an empty one means that all is well.
"""
import json
import re

import jsonschema
import yaml

DIALECT = "https://json-schema.org/draft/2020-12/schema"
METHODS = ("get", "post", "put", "delete", "options", "head", "patch", "trace")


# --- Reading --------------------------------------------------------------------------------------

class StrictLoader(yaml.SafeLoader):
    """PyYAML lets a repeated key win silently; here it is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = {key for key in keys if keys.count(key) > 1}
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"repeated: {repeated}", node.start_mark)
        return super().construct_mapping(node, deep)


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, StrictLoader)


def parse_json(text):
    def pairs_once(pairs):
        if len(dict(pairs)) != len(pairs):
            raise ValueError("repeated member")
        return dict(pairs)
    return json.loads(text, object_pairs_hook=pairs_once)


def lookup(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def resolve(document, node):
    """The object that a Reference Object stands for; any other node is itself."""
    return lookup(document, node["$ref"]) if "$ref" in node else node


def operations(document):
    """(operationId, path, method, operation, path item) of everything that can be called."""
    items = {**document["paths"], **document["components"].get("pathItems", {})}
    for path, item in items.items():
        for method in METHODS:
            if method in item:
                yield item[method]["operationId"], path, method, item[method], item


def documented_statuses(document):
    return {(name, status) for name, _, _, operation, _ in operations(document)
            for status in operation["responses"]}


# --- Values against schemas -----------------------------------------------------------------------

def check_value(document, schema, value, where):
    resolver = jsonschema.RefResolver("", document)
    errors = jsonschema.Draft202012Validator(schema, resolver=resolver).iter_errors(value)
    return [f"{where}: {'/'.join(map(str, e.absolute_path)) or 'value'}: {e.message}" for e in errors]


def check_content(document, media_type, schema, text, where):
    """Checks the text of a body: JSON as its value, lines of JSON as the list of their values."""
    try:
        if media_type.split(";")[0].endswith("json") and "ndjson" not in media_type:
            return check_value(document, schema, parse_json(text), where)
        if "ndjson" in media_type:
            if not text.endswith("\n"):
                return [f"{where}: the last line does not end"]
            lines = [parse_json(line) for line in text[:-1].split("\n")]
            return check_value(document, resolve(document, schema)["contentSchema"], lines, where)
    except ValueError as error:
        return [f"{where}: no JSON: {error}: {text[:200]!r}"]
    return check_value(document, schema, text, where)


# --- Structure ------------------------------------------------------------------------------------
# The parts of OpenAPI 3.1 that the document uses, as a JSON Schema that knows no other member.

def shape(members):
    """An object with these members and no others; '!' marks those that have to be there."""
    return {"type": "object", "additionalProperties": False,
            "properties": {name.rstrip("!"): schema for name, schema in members.items()},
            "required": [name.rstrip("!") for name in members if name.endswith("!")]}


def map_of(schema, names="^[A-Za-z0-9._-]+$"):
    return {"type": "object", "minProperties": 1, "propertyNames": {"pattern": names},
            "additionalProperties": schema}


def list_of(schema):
    return {"type": "array", "minItems": 1, "items": schema}


def either(part, section):
    """The object itself or a reference to one of its kind."""
    reference = shape({"$ref!": {"type": "string", "pattern": f"^#/components/{section}/"},
                       })  # what may stand beside it, summary and description, many tools pass over
    return {"if": {"required": ["$ref"]}, "then": reference, "else": {"$ref": f"#/$defs/{part}"}}


TEXT = {"type": "string", "minLength": 1}
FLAG = {"type": "boolean"}
SCHEMA = {"type": ["object", "boolean"]}  # check_schemas looks inside
EXAMPLES = map_of(shape({"summary": TEXT, "description": TEXT, "value!": True}))
PARAMETERS = list_of(either("parameter", "parameters"))
HEADERS = map_of(either("header", "headers"))
CONTENT = map_of({"$ref": "#/$defs/media_type"}, r"^[a-z]+/[a-z0-9.+-]+(; [a-z]+=[a-z0-9.-]+)*$")
SERVERS = list_of({"$ref": "#/$defs/server"})
SECURITY = {"type": "array", "items": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"},
                                       "additionalProperties": {"type": "array", "items": TEXT}}}
SECURITY_SCHEME = {"oneOf": [
    shape({"type!": {"const": "http"}, "scheme!": TEXT, "bearerFormat": TEXT, "description!": TEXT}),
    shape({"type!": {"const": "apiKey"}, "in!": {"const": "header"}, "name!": TEXT, "description!": TEXT})]}

# x-access: what it asks of whoever sends a request, as `security` has it, and the statuses of those who are refused.
ANY = [{"token": []}, {"key": []}]
ACCESS = {
    "open": ([], set()),
    "counts": ([{}, *ANY], {"401"}),
    "settings": (ANY, {"401"}),
    "lists": (ANY, {"401", "403"}),
    "own": ([{"token": []}, {"key": ["rsvp:read"]}], {"401", "403"}),
    "act": ([{"token": []}, {"key": ["rsvp:write"]}], {"401", "403"}),
    "person": ([{"token": []}, {"key": ["rsvp:admin"]}], {"401", "403"}),
    "admin": ([{"token": ["rsvp:admin"]}, {"key": ["rsvp:admin"]}], {"401", "403"}),
}

STRUCTURE = {
    "$schema": DIALECT,
    **shape({
        "openapi!": {"const": "3.1.0"},
        "jsonSchemaDialect!": {"const": DIALECT},
        "info!": shape({"title!": TEXT, "version!": TEXT, "summary": TEXT, "description": TEXT,
                        "license": shape({"name!": TEXT, "identifier": TEXT})}),
        "servers!": SERVERS,
        "security!": SECURITY,
        "tags!": list_of(shape({"name!": TEXT, "description!": TEXT})),
        "paths!": map_of({"$ref": "#/$defs/path_item"}, r"^(/([a-z0-9_]+|\{[a-z_]+\}))+$"),
        "components!": shape({
            "pathItems": map_of({"$ref": "#/$defs/path_item"}),
            "securitySchemes!": map_of(SECURITY_SCHEME),
            "parameters": map_of({"$ref": "#/$defs/parameter"}),
            "requestBodies": map_of({"$ref": "#/$defs/request_body"}),
            "headers": map_of({"$ref": "#/$defs/header"}),
            "responses": map_of({"$ref": "#/$defs/response"}),
            "schemas": map_of(SCHEMA),
        }),
    }),
    "$defs": {
        "server": shape({"url!": TEXT, "description!": TEXT,
                         "variables": map_of(shape({"default!": TEXT, "description": TEXT}))}),
        "path_item": {
            **shape({"summary": TEXT, "description": TEXT, "servers": SERVERS, "parameters": PARAMETERS,
                     **{method: {"$ref": "#/$defs/operation"} for method in METHODS}}),
            "anyOf": [{"required": [method]} for method in METHODS]},
        "operation": shape({
            "operationId!": {"type": "string", "pattern": "^[a-z][A-Za-z]+$"},
            "x-access": {"enum": list(ACCESS)}, "security": SECURITY,
            "tags!": list_of(TEXT), "summary!": TEXT, "description": TEXT, "servers": SERVERS,
            "parameters": PARAMETERS, "requestBody": either("request_body", "requestBodies"),
            "responses!": map_of(either("response", "responses"), "^([1-5][0-9][0-9]|default)$")}),
        "parameter": {
            **shape({"name!": TEXT, "in!": {"enum": ["path", "query", "header"]}, "required": FLAG,
                     "description!": TEXT, "allowEmptyValue": FLAG, "schema!": SCHEMA,
                     "example": True, "examples": EXAMPLES}),
            "if": {"properties": {"in": {"const": "path"}}},
            "then": {"required": ["required"], "properties": {"required": {"const": True}}}},
        "request_body": shape({"description!": TEXT, "required": FLAG, "content!": CONTENT}),
        "header": shape({"description!": TEXT, "required": FLAG, "schema!": SCHEMA,
                         "example": True, "examples": EXAMPLES}),
        "response": shape({"description!": TEXT, "headers": HEADERS, "content": CONTENT}),
        "media_type": shape({"schema!": SCHEMA, "example": True, "examples": EXAMPLES}),
    },
}
jsonschema.Draft202012Validator.check_schema(STRUCTURE)


def check_structure(document):
    return check_value(STRUCTURE, STRUCTURE, document, "structure")


# --- References -----------------------------------------------------------------------------------

def walk(node, where="#"):
    yield where, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from walk(child, f"{where}/{str(key).replace('~', '~0').replace('/', '~1')}")


def check_references(document):
    complaints, used = [], set()
    for where, node in walk(document):
        if isinstance(node, dict) and "$ref" in node:
            used.add(node["$ref"])
            try:
                lookup(document, node["$ref"])
            except (KeyError, TypeError):
                complaints.append(f"{where}: {node['$ref']} leads nowhere")
    for section, parts in document["components"].items():
        complaints += [f"#/components/{section}/{name} is used nowhere" for name in parts
                       if section not in ("pathItems", "securitySchemes") and f"#/components/{section}/{name}" not in used]
    return complaints


# --- Schemas --------------------------------------------------------------------------------------

ONE_SCHEMA = {"additionalProperties", "unevaluatedProperties", "propertyNames", "items", "contains", "not",
              "if", "then", "else", "contentSchema"}
LIST_OF_SCHEMAS = {"allOf", "anyOf", "oneOf", "prefixItems"}
MAP_OF_SCHEMAS = {"properties", "patternProperties"}
PLAIN_KEYWORDS = {"$ref", "type", "enum", "const", "format", "pattern", "minLength", "maxLength", "minimum",
                  "maximum", "minItems", "maxItems", "required", "default", "description", "examples",
                  "contentMediaType"}


def schemas(document):
    """Every schema that the document holds, as (where, schema); schemas inside schemas as well."""
    def inside(where, schema):
        yield where, schema
        for keyword, value in schema.items() if isinstance(schema, dict) else ():
            here = f"{where}/{keyword}"
            if keyword in ONE_SCHEMA:
                yield from inside(here, value)
            for key, child in (enumerate(value) if keyword in LIST_OF_SCHEMAS else
                               value.items() if keyword in MAP_OF_SCHEMAS else ()):
                yield from inside(f"{here}/{key}", child)

    for name, schema in document["components"]["schemas"].items():
        yield from inside(f"#/components/schemas/{name}", schema)
    for where, node in walk({key: value for key, value in document.items() if key != "components"} |
                            {"components": {key: value for key, value in document["components"].items()
                                            if key != "schemas"}}):
        if isinstance(node, dict) and "schema" in node:
            yield from inside(f"{where}/schema", node["schema"])


def check_schemas(document):
    complaints = []
    known = ONE_SCHEMA | LIST_OF_SCHEMAS | MAP_OF_SCHEMAS | PLAIN_KEYWORDS
    for where, schema in schemas(document):
        if not isinstance(schema, dict):
            continue
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            complaints.append(f"{where}: {error.message}")
        if "$ref" in schema and len(schema) > 1:  # many tools pass over what stands beside it
            complaints.append(f"{where}: {sorted(schema.keys() - {'$ref'})} beside $ref")
        complaints += [f"{where}: unknown keyword {keyword!r}" for keyword in schema.keys() - known]
        closed = False in (schema.get("additionalProperties"), schema.get("unevaluatedProperties"))
        if schema.get("type") == "object" and not closed:
            complaints.append(f"{where}: takes members that it does not name")
    return complaints


def check_examples(document):
    complaints = []
    for where, schema in schemas(document):
        for example in schema.get("examples", ()) if isinstance(schema, dict) else ():
            complaints += check_value(document, schema, example, f"{where}/examples")
    for where, node in walk(document):
        if not isinstance(node, dict) or "schema" not in node:
            continue
        examples = [node["example"]] if "example" in node else []
        examples += [example["value"] for example in node.get("examples", {}).values()]
        media_type = where.rsplit("/", 1)[1].replace("~1", "/")
        for example in examples:
            if "/content/" in where:
                text = example if isinstance(example, str) else json.dumps(example)
                complaints += check_content(document, media_type, node["schema"], text, where)
            else:
                complaints += check_value(document, node["schema"], example, where)
        if "/content/" in where and not examples:
            complaints.append(f"{where}: no example")
    return complaints


# --- Operations -----------------------------------------------------------------------------------

def check_operations(document):
    complaints, seen = [], set()
    tags = {tag["name"] for tag in document["tags"]}
    for name, path, _, operation, item in operations(document):
        if name in seen:
            complaints.append(f"{path}: operationId {name} is used twice")
        seen.add(name)
        complaints += [f"{name}: tag {tag!r} is not declared" for tag in operation["tags"] if tag not in tags]
        parameters = [resolve(document, parameter)
                      for parameter in item.get("parameters", []) + operation.get("parameters", [])]
        keys = [(parameter["in"], parameter["name"].lower()) for parameter in parameters]
        complaints += [f"{name}: parameter {key} is declared twice" for key in set(keys) if keys.count(key) > 1]
        in_path = set(re.findall(r"\{(\w+)\}", path))
        declared = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        complaints += [f"{name}: path parameter {odd} is not both in the path and declared"
                       for odd in in_path ^ declared]
        for status, response in operation["responses"].items():
            complaints += check_response(document, f"{name} {status}", status, resolve(document, response))
    return complaints


def check_any_request(document):
    """Whatever any request may be answered, each operation has to describe as well."""
    any_request = document["components"]["pathItems"]["AnyRequest"]["get"]["responses"]
    return [f"{operation['operationId']}: {status}, which any request may be answered, is not described"
            for item in document["paths"].values() for method, operation in item.items() if method in METHODS
            for status in sorted(any_request.keys() - operation["responses"].keys())]


def check_access(document):
    """Each operation says what it asks of whoever sends a request, and describes how others are refused."""
    schemes = {name for security, _ in ACCESS.values() for one in security for name in one}
    complaints = [f"security scheme {name} is not both described and asked for"
                  for name in schemes ^ document["components"]["securitySchemes"].keys()]
    for operation in (item[method] for item in document["paths"].values() for method in METHODS if method in item):
        name = operation["operationId"]
        if "x-access" not in operation:
            complaints.append(f"{name}: no x-access")
            continue
        security, statuses = ACCESS[operation["x-access"]]
        if operation.get("security") != security:
            complaints.append(f"{name}: security is not that of x-access: {security}")
        complaints += [f"{name}: {status}, which its x-access brings, is not described"
                       for status in sorted(statuses - operation["responses"].keys())]
    return complaints


def narrowed(schema):
    """The members of which a schema says more than the one that it refers to."""
    return {name: member for part in schema.get("allOf", ()) for name, member in part.get("properties", {}).items()}


def check_response(document, where, status, response):
    """What the contract says of every response."""
    complaints = []
    for name in ("X-Request-Id", "X-Content-Type-Options"):
        if name not in response.get("headers", {}):
            complaints.append(f"{where}: no {name}")
    for media_type, content in response.get("content", {}).items():
        if media_type == "application/problem+json":
            wanted = narrowed(content["schema"]).get("status", {}).get("const")
            if str(wanted) != status:
                complaints.append(f"{where}: its problem has status {wanted}")
    return complaints


def problem_codes(document):
    """{code: status}, as the responses of the document have it."""
    codes = {}
    for response in document["components"]["responses"].values():
        schema = response.get("content", {}).get("application/problem+json", {}).get("schema")
        if schema:
            code = narrowed(schema)["code"]
            codes |= dict.fromkeys(code.get("enum", [code.get("const")]), narrowed(schema)["status"]["const"])
    return codes


def check_problem_codes(document):
    listed = set(document["components"]["schemas"]["ProblemCode"]["enum"])
    return [f"problem code {code} is not both listed and answered" for code in listed ^ set(problem_codes(document))]


def check_servers(document):
    return [f"{where}: {{{name}}} is no variable" for where, node in walk(document)
            if isinstance(node, dict) and "url" in node
            for name in set(re.findall(r"\{(\w+)\}", node["url"])) ^ set(node.get("variables", {}))]


def check_document(document):
    """All of it. What is built on a sound structure is looked at only where the structure is sound."""
    complaints = check_structure(document) or check_references(document) or check_schemas(document)
    if not complaints:
        for check in (check_examples, check_operations, check_any_request, check_access, check_problem_codes,
                      check_servers):
            complaints += check(document)
    return complaints
