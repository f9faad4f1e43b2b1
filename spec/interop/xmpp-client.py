"""An XMPP client by slixmpp that talks in lines of JSON: commands on its input, what happens on its output."""
import asyncio
import json
import sys
import threading

import slixmpp


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password):
        super().__init__(jid, password)
        for plugin in ("xep_0030", "xep_0184", "xep_0199"):
            self.register_plugin(plugin)
        self.auto_authorize = None
        self.auto_subscribe = False
        self["xep_0184"].auto_ack = True
        self["xep_0184"].auto_request = False
        self.add_event_handler("session_start", self.start)
        self.add_event_handler("message", self.take)
        self.add_event_handler("message_error", self.take)
        self.add_event_handler("receipt_received", lambda m: tell("receipt", id=m["receipt"], sender=m["from"].bare))
        self.add_event_handler("failed_all_auth", lambda _: tell("refused"))
        for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            self.add_event_handler("presence_" + kind, self.subscription)
        self.add_event_handler("changed_status", self.status)
        self.add_event_handler("disconnected", lambda _: tell("disconnected"))

    async def start(self, _):
        await self.get_roster()
        self.send_presence()
        # What the server has answered now, it read after the presence: from here on messages reach this client.
        await self["xep_0199"].ping(self.boundjid.domain)
        tell("ready")

    def take(self, message):
        if message["type"] == "error":
            error = message["error"]
            tell("error", id=message["id"], sender=message["from"].bare, condition=error["condition"], text=error["text"])
        elif message["body"]:
            tell("message", id=message["id"], sender=message["from"].bare, body=message["body"],
                 subject=message["subject"], thread=message["thread"], lang=message.get_lang())

    def subscription(self, presence):
        tell(presence["type"], sender=presence["from"].bare)

    def status(self, presence):
        if presence["from"].bare != self.boundjid.bare:
            tell("presence", sender=presence["from"].full, show=presence["type"], status=presence["status"],
                 priority=presence["priority"])

    def run_command(self, line):
        command = json.loads(line)
        what = command.pop("do")
        if what == "send":
            message = self.make_message(mto=command["to"], mbody=command["body"], msubject=command.get("subject"), mtype="chat")
            message["id"] = command["id"]
            if command.get("thread"):
                message["thread"] = command["thread"]
            if command.get("lang"):
                message["lang"] = command["lang"]
            message["request_receipt"] = True
            message.send()
        elif what == "presence":
            self.send_presence(pto=command.get("to"), ptype=command.get("type"), pshow=command.get("show"), pstatus=command.get("status"))
        elif what == "raw":
            self.send_raw(command["xml"])
        elif what == "quit":
            self.disconnect()


def tell(event, **facts):
    print(json.dumps({"event": event, **{key: str(value) for key, value in facts.items()}}), flush=True)


def main():
    jid, password, port = sys.argv[1:4]
    client = Client(jid, password)
    loop = client.loop

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(client.run_command, line)
        loop.call_soon_threadsafe(loop.stop)

    client.connect(("127.0.0.1", int(port)), force_starttls=False, disable_starttls=True)
    threading.Thread(target=read, daemon=True).start()
    loop.run_forever()


main()
