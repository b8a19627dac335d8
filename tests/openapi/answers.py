"""Is an answer of the service one that the document describes?"""
import re

from document import check_content, check_value, parse_json, resolve

TRANSPORT = {"date", "connection", "content-length", "content-type", "transfer-encoding"}
PROBLEM = "application/problem+json"


def check_headers(document, described, answer, where):
    complaints = []
    sent = [(name.lower(), value) for name, value in answer.headers]
    headers = {name.lower(): resolve(document, header) for name, header in described.items()}
    for name, header in headers.items():
        values = [value for sent_name, value in sent if sent_name == name]
        if len(values) != 1 and (values or header.get("required")):
            complaints.append(f"{where}: header {name} is there {len(values)} times")
        for value in values:
            if resolve(document, header["schema"])["type"] == "integer" and value.isdecimal():
                value = int(value)
            complaints += check_value(document, header["schema"], value, f"{where}: header {name}")
    return complaints + [f"{where}: header {name} is not described" for name, _ in sent
                         if name not in headers and name not in TRANSPORT]


def check_answer(document, operation, answer, where, head=False):
    """head: the answer is to HEAD, so that all but the content has to be as for the operation."""
    response = operation["responses"].get(str(answer.status), operation["responses"].get("default"))
    if response is None:
        return [f"{where}: status {answer.status} is not described: {answer.body[:300]!r}"]
    response = resolve(document, response)
    complaints = check_headers(document, response.get("headers", {}), answer, where)
    described = {media_type.lower(): content for media_type, content in response.get("content", {}).items()}
    media_type = next((value for name, value in answer.headers if name.lower() == "content-type"), "").lower()
    if not described or head:
        complaints += [f"{where}: content where there must be none: {answer.body[:300]!r}"] * bool(answer.body)
    if not described:
        return complaints
    if media_type not in described:
        return complaints + [f"{where}: media type {media_type!r} is not described"]
    if head:
        return complaints
    try:
        text = answer.body.decode()
    except UnicodeDecodeError as error:
        return complaints + [f"{where}: {error}"]
    broken = check_content(document, media_type, described[media_type]["schema"], text, where)
    if media_type == PROBLEM and not broken:
        broken = check_problem(answer, parse_json(text), where)
    if "Link" in response["headers"] and not broken:
        broken = check_page(answer, parse_json(text), where)
    return complaints + [f"{complaint}\n    {text[:600]}" for complaint in broken]


def check_page(answer, page, where):
    """The header and the member lead to the same next page, or to none."""
    link = next((value for name, value in answer.headers if name.lower() == "link"), "")
    linked = re.findall(r"[?&]page_token=([^&>]*)", link)
    token = [page["next_page_token"]] if "next_page_token" in page else []
    return [] if linked == token else [f"{where}: Link {link!r} and next_page_token differ"]


def check_problem(answer, problem, where):
    """What a schema cannot say: members that repeat one another, or a header."""
    request_id = next(value for name, value in answer.headers if name.lower() == "x-request-id")
    complaints = []
    if problem["type"] != f"/problems/{problem['code']}":
        complaints.append(f"{where}: type and code differ")
    if problem["request_id"] != request_id:
        complaints.append(f"{where}: request_id is not X-Request-Id")
    return complaints
