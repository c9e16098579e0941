-- Prosody as the home lab's XMPP server: accounts, rooms with archives, and the gateway as a component.
-- No federation; nobody registers but by `account add`. `start` fills in what stands between @s.
prosody_user = "lab"
prosody_group = "lab"
pidfile = "/tmp/prosody.pid"
data_path = "/data/store"
log = { warn = "*console" }
interfaces = { "0.0.0.0" }
c2s_ports = { 5222 }
-- Reached within the lab's own network only, hence without TLS.
component_interfaces = { "0.0.0.0" }
component_ports = { 5347 }
modules_enabled = {
  "admin_shell", "roster", "saslauth", "tls", "disco", "ping", "carbons", "smacks", "csi_simple", "mam", "pep",
  "vcard4", "vcard_legacy", "bookmarks", "blocklist", "private", "offline", "turn_external",
}
modules_disabled = { "s2s" }
certificates = "/data"
ssl = { certificate = "/data/cert.pem", key = "/data/key.pem" }
c2s_require_encryption = true
authentication = "internal_hashed"
storage = "internal"
archive_expires_after = "1y"
-- Calls of XMPP clients find their way by the lab's TURN server.
turn_external_host = "@TURN_HOST@"
turn_external_port = @TURN_PORT@
turn_external_secret = "@TURN_SECRET@"

VirtualHost "@NAME@"

Component "conference.@NAME@" "muc"
  modules_enabled = { "muc_mam" }
  muc_log_by_default = true
  muc_room_locking = false
  muc_room_default_persistent = true

-- The gateway. The service `wiring` makes its secret.
Component "monster.@NAME@"
  component_secret = "@COMPONENT_SECRET@"
