"""The campaigns as a FastAPI server: a model that checks what comes in, dependencies for the token and the quota.

Handlers are `async` and ask SQLite in place, which is faster for queries as short as these than FastAPI's threads.
"""

import hashlib
import json
import math
import os
import secrets
import sqlite3
import time
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PATH = "/api/voice-campaigns"
REQUESTS_PER_HOUR = int(os.environ["REQUESTS_PER_HOUR"])
TOKEN_SECONDS = 5
HOUR = 3600
POLICY = f'"default";q={REQUESTS_PER_HOUR};w={HOUR}'

Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
Time = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")]
KeyAction = Literal["yes", "no", "call_back", "opt_out", "transfer", "repeat"]
Reference = Annotated[int, Field(ge=1, le=9007199254740991)]
Money = Annotated[float, Field(ge=0, le=1e12)]


class NewCampaign(BaseModel):
    """What a new campaign may be; the same as the Rust server checks."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=5000)
    status: Literal["draft", "active", "paused", "completed"] | None
    priority: Literal["low", "medium", "high"] = "medium"
    campaign_type: Literal["outbound", "inbound"] = "outbound"
    calls_per_day: int = Field(ge=1, le=1000000)
    calling_hours_start: Time
    calling_hours_end: Time
    time_zone: str = Field("UTC", min_length=1, max_length=64)
    working_days: list[Day] = Field(DAYS[:5], min_length=1, max_length=7)
    ai_voice_id: str | None = Field(None, max_length=200)
    ai_voice_language: str = Field("en-US", pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)
    ai_voice_gender: Literal["male", "female", "neutral"] | None = None
    system_prompt: str = Field(min_length=1, max_length=20000)
    script_template: str = Field(min_length=1, max_length=20000)
    fallback_script: str | None = Field(None, max_length=20000)
    max_attempts_per_lead: int = Field(3, ge=1, le=20)
    retry_delay_minutes: int = Field(60, ge=1, le=43200)
    call_duration_limit: int = Field(300, ge=10, le=14400)
    success_criteria: str = Field("call_completed", min_length=1, max_length=5000)
    cost_per_call: Money = 0
    budget: Money | None = None
    budget_alert_threshold: int = Field(80, ge=1, le=100)
    max_concurrent_calls: int = Field(5, ge=1, le=1000)
    ring_timeout_seconds: int = Field(30, ge=15, le=120)
    caller_id: str | None = Field(None, pattern=r"^\+[1-9][0-9]{6,14}$")
    lead_time_zone_policy: Literal["campaign", "lead"] = "campaign"
    start_date: datetime | None = None
    end_date: datetime | None = None
    recurrence_rule: str | None = Field(None, min_length=1, max_length=1000)
    expected_completion_date: str | None = Field(None, pattern=r"^\d{4}-\d\d-\d\d$")
    owner_id: Reference | None = None
    team_members: list[Reference] = Field([], max_length=1000)
    company_id: Reference | None = None
    tags: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field([], max_length=100)
    notes: str | None = Field(None, max_length=20000)
    webhooks: list[dict[str, Any]] = Field([], max_length=20)
    keys: dict[Annotated[str, Field(pattern=r"^[0-9*#]$")], KeyAction] | None = None
    opt_out_sentence: str | None = Field(None, max_length=500)
    machine_detection: bool | None = None
    transfer_number: str | None = Field(None, pattern=r"^\+[1-9][0-9]{6,14}$")
    record_calls: bool = False
    recording_announcement: str | None = Field(None, max_length=500)
    inbound_number: str | None = Field(None, pattern=r"^\+[1-9][0-9]{6,14}$")
    script_prompt: Reference | None = None
    fallback_prompt: Reference | None = None
    agent: Literal["scripted", "ai"] | None = None
    agent_disclosure: str | None = Field(None, max_length=500)

    @model_validator(mode="after")
    def hours_differ(self):
        if self.calling_hours_start == self.calling_hours_end:
            raise ValueError("calling_hours_end must differ from calling_hours_start")
        return self


SETTINGS = list(NewCampaign.model_fields)
TOTALS = ["total_leads", "completed_calls", "successful_calls", "failed_calls"]
COLUMNS = ["c.id", *(f"c.{name}" for name in SETTINGS), *(f"t.{name}" for name in TOTALS), "c.created_at", "c.updated_at", "c.version", "c.holds_stale"]
SELECT = (
    f"SELECT {', '.join(COLUMNS)} FROM campaigns c JOIN campaign_totals t ON t.campaign_id = c.id WHERE c.deleted_at IS NULL"
)
ONE = f"{SELECT} AND c.id = ?"
PAGE = f"{SELECT} ORDER BY c.created_at DESC, c.id DESC LIMIT ?"
COUNT = "SELECT count(*) FROM campaigns WHERE deleted_at IS NULL"
TOKEN = "SELECT id FROM tokens WHERE hash = ? AND revoked_at IS NULL"
INSERT = (
    f"INSERT INTO campaigns ({', '.join(SETTINGS)}, created_at, updated_at, status_changed_at, status_changed_by) "
    f"VALUES ({', '.join(f':{name}' for name in SETTINGS)}, :now, :now, :now, :by)"
)

db = sqlite3.connect(os.environ["DATABASE"], isolation_level=None, timeout=5, cached_statements=128)
db.row_factory = sqlite3.Row
for pragma in ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -8000"]:
    db.execute(f"PRAGMA {pragma}")

known: dict[bytes, tuple[int, float]] = {}
windows: dict[int, list[float]] = {}


def caller_of(authorization: str | None) -> int | None:
    """The token's id."""
    if authorization is None or not authorization.startswith("Bearer "):
        return None
    key = hashlib.sha256(authorization[7:].encode()).digest()
    now = time.monotonic()
    seen = known.get(key)
    if seen and now - seen[1] < TOKEN_SECONDS:
        return seen[0]
    row = db.execute(TOKEN, (key,)).fetchone()
    if row is None:
        return None
    known[key] = (row[0], now)
    return row[0]


async def admit(request: Request) -> dict[str, str]:
    """Lets a request with a valid token in, within its quota; the headers that tell of it."""
    caller = caller_of(request.headers.get("authorization"))
    if caller is None:
        raise HTTPException(401, "A valid API token is required", {"WWW-Authenticate": "Bearer"})
    now = time.time()
    window = windows.get(caller)
    if window is None or now >= window[0]:
        window = windows[caller] = [now + HOUR, 0]
    is_over = window[1] >= REQUESTS_PER_HOUR
    window[1] += not is_over
    left = REQUESTS_PER_HOUR - int(window[1])
    headers = {
        "X-Request-Id": secrets.token_hex(8),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "X-RateLimit-Limit": str(REQUESTS_PER_HOUR),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(math.ceil(window[0])),
        "RateLimit-Policy": POLICY,
        "RateLimit": f'"default";r={left};t={math.ceil(window[0] - now)}',
    }
    if is_over:
        raise HTTPException(429, "The quota is used up", headers)
    return headers


Admitted = Annotated[dict[str, str], Depends(admit)]


def seconds(text: str) -> int:
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def clock(value: int) -> str:
    return f"{value // 3600:02}:{value // 60 % 60:02}:{value % 60:02}"


def instant(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms // 1000, timezone.utc).isoformat()[:19] + "Z"


def money(value: int | None) -> float | None:
    return None if value is None else value / 10000


def view(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "status": row["status"],
        "priority": row["priority"],
        "campaign_type": row["campaign_type"],
        "calls_per_day": row["calls_per_day"],
        "total_leads": row["total_leads"],
        "completed_calls": row["completed_calls"],
        "successful_calls": row["successful_calls"],
        "failed_calls": row["failed_calls"],
        "calling_hours_start": clock(row["calling_hours_start"]),
        "calling_hours_end": clock(row["calling_hours_end"]),
        "time_zone": row["time_zone"],
        "working_days": [day for bit, day in enumerate(DAYS) if row["working_days"] >> bit & 1],
        "ai_voice_id": row["ai_voice_id"],
        "ai_voice_language": row["ai_voice_language"],
        "ai_voice_gender": row["ai_voice_gender"],
        "system_prompt": row["system_prompt"],
        "script_template": row["script_template"],
        "fallback_script": row["fallback_script"],
        "max_attempts_per_lead": row["max_attempts_per_lead"],
        "retry_delay_minutes": row["retry_delay_minutes"],
        "call_duration_limit": row["call_duration_limit"],
        "success_criteria": row["success_criteria"],
        "cost_per_call": money(row["cost_per_call"]),
        "budget": money(row["budget"]),
        "budget_alert_threshold": row["budget_alert_threshold"],
        "max_concurrent_calls": row["max_concurrent_calls"],
        "ring_timeout_seconds": row["ring_timeout_seconds"],
        "caller_id": row["caller_id"],
        "lead_time_zone_policy": row["lead_time_zone_policy"],
        "start_date": instant(row["start_date"]),
        "end_date": instant(row["end_date"]),
        "recurrence_rule": row["recurrence_rule"],
        "expected_completion_date": row["expected_completion_date"],
        "owner_id": row["owner_id"],
        "team_members": json.loads(row["team_members"]),
        "company_id": row["company_id"],
        "tags": json.loads(row["tags"]),
        "notes": row["notes"],
        "webhooks": json.loads(row["webhooks"]),
        "keys": row["keys"] and json.loads(row["keys"]),
        "opt_out_sentence": row["opt_out_sentence"],
        "machine_detection": None if row["machine_detection"] is None else row["machine_detection"] == 1,
        "transfer_number": row["transfer_number"],
        "record_calls": row["record_calls"] == 1,
        "recording_announcement": row["recording_announcement"],
        "inbound_number": row["inbound_number"],
        "script_prompt": row["script_prompt"],
        "fallback_prompt": row["fallback_prompt"],
        "agent": row["agent"],
        "agent_disclosure": row["agent_disclosure"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }


def tag_of(row: sqlite3.Row) -> str:
    return f'"{row["version"]}-{row["holds_stale"]}"'


def insert(new: NewCampaign) -> sqlite3.Row:
    row = new.model_dump()
    row["status"] = new.status or "draft"
    row["calling_hours_start"] = seconds(new.calling_hours_start)
    row["calling_hours_end"] = seconds(new.calling_hours_end)
    row["working_days"] = sum(1 << DAYS.index(day) for day in set(new.working_days))
    for name in ("cost_per_call", "budget"):
        row[name] = None if row[name] is None else round(row[name] * 10000)
    for name in ("team_members", "tags", "webhooks"):
        row[name] = json.dumps(row[name])
    row["keys"] = row["keys"] and json.dumps(row["keys"])
    for name in ("start_date", "end_date"):
        row[name] = row[name] and int(row[name].timestamp() * 1000)
    row["now"], row["by"] = int(time.time() * 1000), "peer"
    db.execute("BEGIN IMMEDIATE")
    try:
        key = db.execute(INSERT, row).lastrowid
        db.execute("INSERT INTO campaign_totals (campaign_id) VALUES (?)", (key,))
        made = db.execute(ONE, (key,)).fetchone()
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    return made


app = FastAPI(openapi_url=None)


@app.exception_handler(RequestValidationError)
async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    details = [{"field": ".".join(map(str, each["loc"][1:])) or "body", "message": each["msg"]} for each in error.errors()]
    sentence = "; ".join(f"{each['field']}: {each['message']}" for each in details)
    return JSONResponse({"error": sentence, "code": "invalid", "details": details}, 400)


@app.get(PATH + "/{id}")
async def show(id: int, request: Request, headers: Admitted) -> Response:
    row = db.execute(ONE, (id,)).fetchone()
    if row is None:
        raise HTTPException(404, "Voice campaign not found", headers)
    headers["ETag"] = tag_of(row)
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return JSONResponse(view(row), headers=headers)


@app.get(PATH)
async def page(headers: Admitted, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> JSONResponse:
    headers["X-Total-Count"] = str(db.execute(COUNT).fetchone()[0])
    return JSONResponse([view(row) for row in db.execute(PAGE, (limit,))], headers=headers)


@app.post(PATH)
async def create(new: NewCampaign, headers: Admitted) -> JSONResponse:
    made = insert(new)
    headers |= {"Location": f"{PATH}/{made['id']}", "ETag": tag_of(made)}
    return JSONResponse(view(made), 201, headers)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False, log_level="warning")
