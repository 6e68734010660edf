# shellcheck shell=sh
# What the programs of the installation share: reading and setting a line KEY=value of an environment file. Sourced.

# setting FILE KEY: its value; nothing when it is not set.
setting() {
  [ ! -e "$1" ] || sed -n "s/^$2=//p" "$1" | tail -n 1
}

# set_setting FILE KEY VALUE: in place of its line, of the example of it (#KEY=), or at the end. The file is there whole or as before.
set_setting() {
  cp -p "$1" "$1.new"
  key=$2 value=$3 awk '
    BEGIN { line = ENVIRON["key"] "=" ENVIRON["value"] }
    !done && (index($0, ENVIRON["key"] "=") == 1 || index($0, "#" ENVIRON["key"] "=") == 1) { print line; done = 1; next }
    { print }
    END { if (!done) print line }' "$1" >"$1.new"
  mv "$1.new" "$1"
}
