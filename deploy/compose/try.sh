#!/usr/bin/env bash
# Runs lab.yaml once: a message put into the source's mailbox has to arrive at the target, each service has to say that
# it is well, and SIGTERM has to end it in time. Arguments: the compose program, the container program.
set -euo pipefail
compose=$1 container=$2
cd "$(dirname "${BASH_SOURCE[0]}")"
run() { $compose -f lab.yaml "$@"; }
trap 'run down --timeout 40 --volumes >/dev/null 2>&1 || true' EXIT
run up -d
inside() { $container exec "$($container ps -q --filter "name=$1" | head -1)" "${@:2}"; }

put='import base64, sys, requests
mime = base64.b64encode(b"From: a@b.test\r\nSubject: one\r\nMessage-ID: <1@b.test>\r\n\r\nbody\r\n").decode()
ns = "http://schemas.microsoft.com/exchange/services/2006"
body = sys.argv[2].replace("MIME", mime)
envelope = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:t="{ns}/types" xmlns:m="{ns}/messages">
<s:Header><t:RequestServerVersion Version="Exchange2013_SP1"/></s:Header><s:Body>{body}</s:Body></s:Envelope>"""
answer = requests.post(sys.argv[1], data=envelope, auth=("service@example.com", "secret"), timeout=10,
                       headers={"Content-Type": "text/xml"})
print(answer.text)'
create='<m:CreateItem MessageDisposition="SaveOnly"><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/></m:SavedItemFolderId><m:Items><t:Message><t:MimeContent>MIME</t:MimeContent></t:Message></m:Items></m:CreateItem>'
find='<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindItem>'
ask() { inside source python -c "$put" "http://$1/EWS/Exchange.asmx" "$2" 2>/dev/null || true; }

for _ in $(seq 30); do ask source:8013 "$create" | grep -q NoError && break; sleep 1; done
begun=$SECONDS
for _ in $(seq 40); do ask target:8019 "$find" | grep -q "<t:ItemId\|ItemId Id" && break; sleep 1; done
ask target:8019 "$find" | grep -q "ItemId Id" || { echo "the message did not arrive" >&2; run logs 2>&1 | tail -40 >&2; exit 1; }
echo "the message arrived after $((SECONDS - begun)) s"
for service in feed replay; do inside "$service" python -m deploy.probe && echo "$service is well"; done
begun=$SECONDS
run stop --timeout 40 feed replay >/dev/null 2>&1
echo "feed and replay ended $((SECONDS - begun)) s after SIGTERM"
for service in feed replay; do
  code=$($container inspect --format '{{.State.ExitCode}}' "$($container ps -aq --filter "name=$service" | head -1)")
  [ "$code" = 0 ] || { echo "$service ended with $code" >&2; exit 1; }
done
