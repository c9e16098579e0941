"""A Monster peer that knows the published protocol and nothing more, with aiortc as its media.

It opens a WebSocket to an account's URL, vouching for itself with a check URL of its own, sends 2003
with base64 of a bare session description, and reads a session description out of whatever is
answered. Started by tests/calls/seed.rs with the account's URL; ends the call, with a 2004, when its
standard input ends. Prints JSON lines: {"answered": true}, then every half second what came so far,
{"audio": frames, "loud": frames that can be heard, "video": frames}.
"""

import asyncio
import base64
import json
import math
import re
import secrets
import struct
import sys

import av
from aiohttp import ClientSession, web
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

NAME = "seedling"


class Tone(AudioStreamTrack):
    """A tone of 440 Hz."""

    async def recv(self):
        frame = await super().recv()
        angle = 2 * math.pi * 440 / frame.sample_rate
        samples = [int(8000 * math.sin(angle * (frame.pts + i))) for i in range(frame.samples)]
        frame.planes[0].update(struct.pack(f"<{frame.samples}h", *samples))
        return frame


class Picture(VideoStreamTrack):
    """A picture that grows lighter, so that every frame is another one."""

    shade = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        self.shade = (self.shade + 3) % 256
        frame = av.VideoFrame(320, 240, "yuv420p")
        for plane, value in zip(frame.planes, (self.shade, 128, 128)):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Counts:
    """What came."""

    def __init__(self):
        self.audio = self.loud = self.video = 0

    async def count(self, track):
        try:
            while True:
                frame = await track.recv()
                if track.kind == "video":
                    self.video += 1
                    continue
                self.audio += 1
                sound = bytes(frame.planes[0])
                self.loud += max(abs(one) for (one,) in struct.iter_unpack("<h", sound)) > 500
        except MediaStreamError:
            pass


def say(line):
    print(json.dumps(line), flush=True)


async def vouch():
    """Serves the check URL; the URL."""
    token = secrets.token_hex(16)
    application = web.Application()
    runner = web.AppRunner(application)

    async def check(_request):
        return web.json_response({"account": f"@{NAME}:localhost:{port}", "username": NAME})

    application.router.add_get(f"/check/{token}", check)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    return f"http://localhost:{port}/check/{token}"


def described(context):
    """The session description in a call context, if there is one."""
    if context.startswith("v=0"):
        return context
    found = re.search(r'"sdp"\s*:\s*("(?:[^"\\]|\\.)*")', context)
    return found and json.loads(found.group(1))


async def listen(socket, connection):
    async for message in socket:
        frame = json.loads(message.data)
        if "code" not in frame:
            if frame.get("statusCode") != "200":
                sys.exit(f"refused: {frame}")
            if frame.get("messageId") == "the-end":
                return
            continue
        await socket.send_json({"messageId": frame["messageId"], "statusCode": "200"})
        sdp = described(base64.b64decode(frame.get("text", "")).decode())
        if sdp and connection.signalingState == "have-local-offer":
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
            say({"answered": True})


async def report(counts):
    while True:
        say(vars(counts))
        await asyncio.sleep(0.5)


async def main(account):
    counts, tasks = Counts(), []
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(Tone())
    connection.addTrack(Picture())
    connection.on("track", lambda track: tasks.append(asyncio.ensure_future(counts.count(track))))
    await connection.setLocalDescription(await connection.createOffer())

    async with ClientSession() as session:
        async with session.ws_connect(account, params={"checkUrl": await vouch()}) as socket:
            listening = asyncio.ensure_future(listen(socket, connection))
            tasks.append(listening)
            offer = base64.b64encode(connection.localDescription.sdp.encode()).decode()
            await socket.send_json({"messageId": "the-offer", "code": "2003", "text": offer})
            tasks.append(asyncio.ensure_future(report(counts)))
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            await socket.send_json({"messageId": "the-end", "code": "2004", "recallMessageId": "the-offer"})
            await asyncio.wait_for(listening, 10)
    await connection.close()


asyncio.run(main(sys.argv[1]))
