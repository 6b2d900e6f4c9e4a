"""The shell scripts of `phone/restore.py`; text only.

A folder on the device holds `script`, which puts everything back, and `lease`: the id of a process
and when it began, in clock ticks since boot, so that a process of the same id is not taken for it.
"""

LOOK_SECONDS = 3
LOOKS_WITHOUT_LEASE = 2

_SHARED = r"""
restore() {
  mv "$1" "$1.now" 2>/dev/null || return
  sh "$1.now/script" >/dev/null 2>&1
  rm -rf "$1.now"
}
leased() {
  IFS=' ' read -r pid began < "$1/lease" || return 1
  IFS= read -r x < "/proc/$pid/stat" || return 1
  set -- ${x##*) }
  shift 19
  [ "$1" = "$began" ]
}
"""
"""Whoever renames the folder first puts everything back; nobody does it twice."""

WATCHER = (
    (
        _SHARED
        + r"""
folder=$1 mask=$2 missing=0
echo $$ > "$folder/watcher"
[ -z "$mask" ] || taskset -p "$mask" $$ >/dev/null 2>&1
while [ -d "$folder" ] && [ "$missing" -lt LOOKS ]; do
  sleep SECONDS
  if leased "$folder" 2>/dev/null; then missing=0; else missing=$((missing + 1)); fi
done
restore "$folder"
"""
    )
    .replace("LOOKS", str(LOOKS_WITHOUT_LEASE))
    .replace("SECONDS", str(LOOK_SECONDS))
)
"""FOLDER MASK: waits until the folder is gone, or the lease is."""

HOLD = r"""
mkdir -p "$1"
IFS= read -r x < /proc/self/stat
pid=${x%% *}
set -- "$1" ${x##*) }
folder=$1
shift 20
echo "$pid $1" > "$folder/.lease" && mv -f "$folder/.lease" "$folder/lease" && echo held
while :; do sleep 3600; done
"""
"""FOLDER: is the lease itself, until it is killed."""

BEGIN = (
    _SHARED
    + r"""
root=$1 folder=$2 mask=$3 watcher=$4 awake=$5
shift 5
for old in "$root"/changes/*; do
  [ -d "$old" ] && [ "$old" != "$folder" ] || continue
  case $old in
    *.now) sh "$old/script" >/dev/null 2>&1; rm -rf "$old"; continue ;;
  esac
  if leased "$old" 2>/dev/null; then echo "@busy"; exit 0; fi
  echo "@left"
  restore "$old"
done

how=direct
if [ $# -gt 0 ] && [ "$(id -u)" != 0 ]; then
  if [ "$(su 0 id -u 2>/dev/null </dev/null)" = 0 ]; then how=aosp
  elif [ "$(su -c 'id -u' 2>/dev/null </dev/null)" = 0 ]; then how=magisk
  else echo "@unrooted"; exit 0; fi
fi
asroot='asroot() { case '$how' in
  direct) sh -c "$1" ;; aosp) su 0 sh -c "$1" ;; magisk) su -c "$1" ;; esac; }'
eval "$asroot"
echo "$asroot" > "$folder/script" || exit 1
later() { echo "$1" >> "$folder/script" || exit 1; }
if command -v setsid >/dev/null 2>&1; then
  setsid sh -c "$watcher" watcher "$folder" "$mask" </dev/null >/dev/null 2>&1 3>&- 5>&- 6>&- &
else
  set -m
  sh -c "$watcher" watcher "$folder" "$mask" </dev/null >/dev/null 2>&1 3>&- 5>&- 6>&- &
fi

stay=stay_on_while_plugged_in
if [ -n "$awake" ] && command -v settings >/dev/null 2>&1; then
  old=$(settings get global $stay 2>/dev/null)
  case $old in
    null) later "settings delete global $stay" ;;
    '' | *[!0-9]*) old=; echo "@refused $stay" ;;
    *) later "settings put global $stay $old" ;;
  esac
  if [ -n "$old" ]; then
    if dumpsys power 2>/dev/null | grep -q -E 'mWakefulness=(Asleep|Dozing)'; then
      later 'input keyevent 223'
      input keyevent 224 >/dev/null 2>&1
      echo "@changed screen"
    fi
    svc power stayon true >/dev/null 2>&1
    new=$(settings get global $stay 2>/dev/null)
    case $new in
      0 | null | '')
        settings put global $stay 7 >/dev/null 2>&1
        new=$(settings get global $stay 2>/dev/null) ;;
    esac
    case $new in
      0 | null | '') echo "@refused $stay" ;;
      "$old") ;;
      *) echo "@changed $stay" ;;
    esac
  fi
fi

while [ $# -gt 1 ]; do
  for file in $1; do
    [ -e "$file" ] || continue
    old=$(asroot "cat $file" 2>/dev/null) new=$(asroot "cat ${file%/*}/$2" 2>/dev/null)
    case "$old-$new" in
      -* | *- | *[!0-9-]*) echo "@refused $file"; continue ;;
    esac
    if [ "$old" != "$new" ]; then
      later "asroot 'echo $old > $file'"
      asroot "echo $new > $file" 2>/dev/null
      if [ "$(asroot "cat $file" 2>/dev/null)" != "$new" ]; then
        echo "@refused $file"
        continue
      fi
      echo "@changed $file"
    fi
    echo "@locked $file"
  done
  shift 2
done
echo "@done"
"""
)
"""ROOT FOLDER MASK WATCHER AWAKE [PATH SOURCE]...: puts back what an earlier run left, starts the
watcher, then changes what is asked for, each after its way back was written down.

Keys 224 and 223 wake a display and put it to sleep (KeyEvent.KEYCODE_WAKEUP, KEYCODE_SLEEP).
"""

END = (
    _SHARED
    + r"""
IFS=' ' read -r pid x < "$1/lease"
IFS=' ' read -r watcher x < "$1/watcher"
restore "$1"
[ -z "$watcher" ] || kill -9 "-$watcher"
[ -z "$2" ] || [ -z "$pid" ] || kill -9 "$pid"
true
"""
)
"""FOLDER KILL: puts everything back, ends the watcher, and with KILL the lease's process."""
