// The supervisor of steps: the main process of a build's container, or a detached process on the host. It knows nothing of
// the worker, which may die and come again. POSIX sh without options, tried with dash, busybox ash and bash.

/**
 * `sh supervise HOME`: reads orders from the FIFOs of its directory.
 * `control` takes `ID DIR`: runs DIR/ID.run as a process group of its own, its output to DIR/ID.out, then writes `ID CODE OOMS` into
 * DIR/status (in place, for a full disk has room for that) and touches `bell`; OOMS is how many processes the kernel killed
 * meanwhile for the memory of the container. One step at a time, in the foreground, since a shell
 * without job control makes its background jobs deaf to INT. An order that comes twice runs once: ID.pid is there.
 * `signals` takes `ID SIGNAL MARK DIR`: signals the step's group, and whoever left the group but carries the mark in its environment.
 */
export const supervise = `home=$1
cd "$home" || exit 1
exec 3<>control 4<>signals
ooms() {
  oom=0
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$file" ] && while read -r key value; do [ "$key" = oom_kill ] && oom=$value; done <"$file"
  done
}
(
  exec 3<&-
  while read -r id signal mark dir <&4; do
    [ "$id" = stop ] && exit
    group=0
    [ -s "$dir/$id.pid" ] && read -r group <"$dir/$id.pid"
    [ "$group" -gt 1 ] && kill "-$signal" "-$group"
    for entry in $(grep -lzF "OSTLER_STEP=$mark" /proc/[0-9]*/environ); do
      pid=\${entry#/proc/}
      pid=\${pid%/environ}
      read -r stat <"/proc/$pid/stat" || continue
      set -- \${stat##*")"}
      [ "$pid" -gt 1 ] && [ "$3" != "$group" ] && kill "-$signal" "$pid"
    done
  done
) 2>/dev/null &
echo >bell
while read -r id dir <&3; do
  [ "$id" = stop ] && break
  cd "$dir" || continue
  if [ ! -e "$id.pid" ]; then
    ooms
    before=$oom
    setsid sh "./$id.run" </dev/null >"$id.out" 2>&1 3<&- 4<&-
    code=$?
    ooms
    printf '%-24s\\n' "$id $code $((oom - before))" 1<>status
  fi
  cd "$home" && echo 1<>bell
done
echo stop >&4
`
