#!/bin/sh
# Keeps an agent running: starts it again when it ends, and kills it when it has stopped beating.
# A shell, because a second Node would cost an edge box 40 MB for nothing.
#
#   supervise.sh COMMAND...
#
# The command finds in STARLIGHT_BEAT_FILE a file in memory to which it writes something new every 2 s.
# Looks without news are counted instead of seconds: nothing is counted while the machine is suspended.
# Under systemd (NOTIFY_SOCKET) the unit is ready with the first beat and its watchdog is fed while it beats.
set -u

look_every=${STARLIGHT_LOOK_SECONDS:-5}
silent_looks_max=6
restart_seconds_max=30
healthy_after_looks=12

for folder in /dev/shm /run "${TMPDIR:-/tmp}"; do
  run=$(mktemp -d "$folder/starlight-XXXXXX" 2>/dev/null) && break
done
STARLIGHT_BEAT_FILE=$run/beat
export STARLIGHT_BEAT_FILE

agent=
watcher=
stopping=
trap 'rm -rf "$run"' EXIT
for signal in TERM INT HUP; do
  # shellcheck disable=SC2064
  trap "stopping=$signal; test -z \"\$agent\" || kill -s $signal \"\$agent\" 2>/dev/null" "$signal"
done

say() {
  echo "supervisor: $*" >&2
}

notify() {
  test -z "${NOTIFY_SOCKET:-}" || systemd-notify "$@" 2>/dev/null || true
}

# In the background, beside one agent: kills it when it no longer beats.
watch() {
  looks=0
  silent=0
  last=
  while sleep "$look_every"; do
    beat=$(cat "$STARLIGHT_BEAT_FILE" 2>/dev/null)
    looks=$((looks + 1))
    if test "$beat" != "$last"; then
      test -n "$last" || notify --ready
      notify WATCHDOG=1
      silent=0
      last=$beat
    else
      silent=$((silent + 1))
    fi
    test "$looks" -lt "$healthy_after_looks" || : >"$run/healthy"
    if test "$silent" -ge "$silent_looks_max"; then
      say "process $1 has not beaten in $silent looks of $look_every s: killed"
      kill -s KILL "$1"
      return
    fi
  done
}

delay=0
while test -z "$stopping"; do
  : >"$STARLIGHT_BEAT_FILE"
  rm -f "$run/healthy"
  "$@" &
  agent=$!
  watch "$agent" &
  watcher=$!
  # A signal ends `wait` before the agent has ended.
  while :; do
    wait "$agent"
    code=$?
    kill -0 "$agent" 2>/dev/null || break
  done
  agent=
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null
  test -z "$stopping" || break
  case $code in
    0) break ;;
    # A wrong setting, or no identity: the next start would end the same way.
    2 | 10) say "the agent ended with code $code, which only people can repair"; break ;;
  esac
  test ! -e "$run/healthy" || delay=0
  say "the agent ended with code $code; it is started again in $delay s"
  if test "$delay" -gt 0; then
    sleep "$delay" &
    agent=$!
    wait "$agent"
    agent=
  fi
  delay=$((delay * 2 + 1))
  test "$delay" -le "$restart_seconds_max" || delay=$restart_seconds_max
done
exit "$code"
