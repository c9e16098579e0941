"""A Matrix client with end-to-end encryption (matrix-nio), driven by lines of JSON.

Started with: base URL, user, password, and a directory for its keys. Each line on standard input is a request
{"id": N, "do": NAME, ...}; each line on standard output is {"id": N, "result": ...}, {"id": N, "error": "..."}, or
{"event": {...}}: an event as it reads after decryption, with `room_id`, and `undecrypted` where that failed.
"""

import asyncio
import io
import json
import sys

from nio import AsyncClient, AsyncClientConfig, Event, InviteMemberEvent, MegolmEvent
from nio.crypto import OutboundGroupSession, decrypt_attachment

base, user, password, store = sys.argv[1:5]
client = AsyncClient(base, user, store_path=store, config=AsyncClientConfig(encryption_enabled=True))
withheld = {}


def out(line):
    print(json.dumps(line), flush=True)


def heard(room, event):
    out({"event": {**event.source, "room_id": room.room_id, "undecrypted": isinstance(event, MegolmEvent)}})


def invited(room, event):
    if event.state_key == client.user_id and event.membership == "invite":
        out({"event": {"type": "invitation", "room_id": room.room_id, "sender": event.sender}})


def ok(response, field):
    value = getattr(response, field, None)
    if value is None:
        raise RuntimeError(str(response))
    return value


async def knows(room_id, who):
    """Waits until the room is encrypted and the devices of somebody in it are known."""
    while True:
        room = client.rooms.get(room_id)
        if room and room.encrypted and who in room.users and not client.should_query_keys:
            if list(client.device_store.active_user_devices(who)):
                return
        if client.should_query_keys:
            await client.keys_query()
        await asyncio.sleep(0.05)


async def send(request):
    kind = request.get("type", "m.room.message")
    sent = await client.room_send(request["room"], kind, request["content"], ignore_unverified_devices=True)
    return ok(sent, "event_id")


async def withhold(request):
    """Sends something and keeps its key back."""
    room = request["room"]
    client.olm.create_outbound_group_session(room)
    session = client.olm.outbound_group_sessions[room]
    withheld[room] = OutboundGroupSession.from_pickle(session.pickle("x"), "x")
    session.mark_as_shared()
    event = await send(request)
    del client.olm.outbound_group_sessions[room]
    return event


async def release(request):
    """Gives the key that was kept back."""
    room = request["room"]
    client.olm.outbound_group_sessions[room] = withheld.pop(room)
    missing = client.get_missing_sessions(room)
    if missing:
        await client.keys_claim(missing)
    await client.share_group_session(room, ignore_unverified_devices=True)
    del client.olm.outbound_group_sessions[room]


async def upload(request):
    data = request["text"].encode()
    answer, keys = await client.upload(io.BytesIO(data), "text/plain", "a.txt", encrypt=True, filesize=len(data))
    return {**keys, "url": ok(answer, "content_uri"), "mimetype": "text/plain"}


async def download(request):
    file = request["file"]
    body = ok(await client.download(file["url"]), "body")
    plain = decrypt_attachment(body, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    return plain.decode()


async def act(request):
    match request["do"]:
        case "create":
            initial = [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
            made = await client.room_create(initial_state=initial, **request["room"])
            return ok(made, "room_id")
        case "join":
            return ok(await client.join(request["room"]), "room_id")
        case "knows":
            return await knows(request["room"], request["user"])
        case "send":
            return await send(request)
        case "withhold":
            return await withhold(request)
        case "release":
            return await release(request)
        case "redact":
            return ok(await client.room_redact(request["room"], request["event"]), "event_id")
        case "upload":
            return await upload(request)
        case "download":
            return await download(request)
        case "devices":
            return [device.id for device in client.device_store.active_user_devices(request["user"])]
    raise RuntimeError(f"unknown: {request['do']}")


async def answer(request):
    try:
        out({"id": request["id"], "result": await act(request)})
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        out({"id": request["id"], "error": repr(error)})


async def main():
    ok(await client.login(password, device_name="matrix-nio"), "access_token")
    client.add_event_callback(heard, Event)
    client.add_event_callback(invited, InviteMemberEvent)
    syncing = asyncio.create_task(client.sync_forever(timeout=2000, full_state=True))
    await client.synced.wait()
    out({"id": 0, "result": client.device_id})
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = set()
    while line := await reader.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    syncing.cancel()
    await client.close()


asyncio.run(main())
