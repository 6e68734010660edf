// The text of the checkout script. Credentials come by the environment of this step alone: the password through a credential
// helper that prints it to the repository's own server, the key through a file beside the script that is gone when it ends.
//
// The workspace is where builds may write, and this runs on the host: nothing that a build left in it may choose what is
// run or where is written. So git's configuration is made anew each time, links inside .git are refused, and what belongs
// to submodules is used again only if it is as this script left it.
import type {Checkout} from '../protocol/plan.ts'
import {environment, quote} from './quote.ts'
import type {Task} from './task.ts'

export interface Filled extends Omit<Checkout, 'url' | 'branch' | 'revision' | 'workdir'> {
  readonly url: string
  readonly branch: string
  readonly revision: string
  readonly directory: string
}

/** How the script says that a later try may succeed, and that this is no fault of the commit. */
export const exits = {temporary: 75, broken: 78} as const

const blocked = /^(GIT_|LD_|SSH_|PATH$|HOME$|XDG_CONFIG_HOME$|BASH_ENV$|ENV$|IFS$)/

/** The script; it prints the revision that it got, or why it got none, to ID.value. */
export function checkoutScript(checkout: Filled, {ground, id, env}: Task): string {
  const {url, branch, revision, directory, mode, depth, submodules} = checkout
  // What users set must not change how git runs.
  const {exports} = environment(
    Object.fromEntries(Object.entries(env).filter(([name]) => !blocked.test(name))),
  )
  const file = (kind: string): string => quote(`${ground.inside}/${id}.${kind}`)
  const isLocal = /^(\/|file:)/.test(url)
  return `echo $$ >${file('pid')}
[ -e ${file('cancel')} ] && exit 143
${exports}url=${quote(url)} branch=${quote(branch)} revision=${quote(revision)} directory=${quote(directory)}
mode=${mode} depth=${depth ?? ''} submodules=${submodules ? 'yes' : ''} value=${file('value')} home=${file('home')}
server=${quote(serverOf(url))} protocols=${isLocal ? 'file:' : ''}git:http:https:ssh state=${quote(`${ground.inside}/../..`)}
${setUp}${speaking}${preparing}${fetching}${placing}`
}

/** The server that a password is for, as git names it; empty for one that takes none. */
function serverOf(url: string): string {
  if (!/^https?:/.test(url) || !URL.canParse(url)) return ''
  const {protocol, host} = new URL(url)
  return `${protocol}//${host}`
}

const setUp = `umask 077
rm -rf "$home" && mkdir "$home" || exit 1
trap 'rm -rf "$home"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export HOME="$home" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null LC_ALL=C
# Nobody is here to be asked.
export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=true SSH_ASKPASS=true SSH_ASKPASS_REQUIRE=never
export GIT_ALLOW_PROTOCOL="$protocols" GIT_NO_REPLACE_OBJECTS=1 GIT_CEILING_DIRECTORIES="\${directory%/*}" GIT_SSH_VARIANT=ssh
# The shell that git starts this with knows HOME.
ssh='ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4'
hosts=' -o "UserKnownHostsFile=\\"$HOME/known_hosts\\""'
if [ -n "$OSTLER_GIT_SSH_KEY" ]; then
  printf '%s\\n' "$OSTLER_GIT_SSH_KEY" >"$home/key"
  ssh="$ssh"' -F /dev/null -o IdentitiesOnly=yes -i "$HOME/key"'
fi
if [ -n "$OSTLER_GIT_KNOWN_HOSTS" ]; then
  printf '%s\\n' "$OSTLER_GIT_KNOWN_HOSTS" >"$home/known_hosts"
  ssh="$ssh$hosts -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null"
else
  ssh="$ssh -o StrictHostKeyChecking=accept-new"
  # A key of the configuration knows nothing of this user's own known hosts: those seen are kept in the state directory.
  [ -n "$OSTLER_GIT_SSH_KEY" ] && ln -s "$state/known_hosts" "$home/known_hosts" && ssh="$ssh$hosts"
fi
export GIT_SSH_COMMAND="$ssh"
has_key=\${OSTLER_GIT_SSH_KEY:+yes} pins=\${OSTLER_GIT_KNOWN_HOSTS:+yes}
unset OSTLER_GIT_SSH_KEY OSTLER_GIT_KNOWN_HOSTS
helper='!f() { [ "$1" = get ] && printf "username=%s\\npassword=%s\\n" "\${OSTLER_GIT_USER:-git}" "$OSTLER_GIT_PASSWORD"; }; f'
umask 022

`

const speaking = `git_() {
  [ -n "$server" ] && [ -n "$OSTLER_GIT_PASSWORD" ] && set -- -c "credential.$server.helper=$helper" "$@"
  git -c credential.helper= -c core.hooksPath=/dev/null -c core.fsmonitor=false -c protocol.ext.allow=never -c safe.directory='*' -c gc.auto=0 \\
    -c advice.detachedHead=false -c http.lowSpeedLimit=1 -c http.lowSpeedTime=120 "$@"
}
fail() { # code, text
  printf '%s\\n' "$2" >"$value"
  printf '%s\\n' "$2"
  exit "$1"
}
said() { grep -qiE "$1" "$home/said"; }
# Runs a git command that talks to a server. What it says decides whether it is the commit's fault, or may be better later.
remote() {
  git_ "$@" 2>"$home/said" && { cat "$home/said"; return 0; }
  cat "$home/said"
  what=$(grep -iE 'fatal|error|denied|failed' "$home/said" | head -n 1)
  if said 'host key verification failed|host identification has changed'; then
    [ -n "$pins" ] && fail 78 "the ssh server of $url has a key that is not among knownHosts: if it is right, add what ssh-keyscan prints to the credentials"
    fail 78 "the ssh server of $url shows another key than at first: if that is right, remove its line from the known_hosts in this worker's state directory"
  fi
  if said 'permission denied \\(|invalid format|error in libcrypto'; then
    [ -n "$has_key" ] && fail 78 "the ssh server of $url does not take the key: check that its secret holds a whole private key without a passphrase, and that the server knows it"
    fail 78 "the ssh server of $url wants a key: name one in the credentials of the source or the step"
  fi
  if said 'authentication failed|could not read (username|password)|error: 40[13]'; then
    said "$server/" || fail 78 "another server than that of $url wants a password, and is given none: $what"
    said 'error: 403' && fail 78 "user \${OSTLER_GIT_USER:-git} may not read $url: give it the right to"
    [ -n "$OSTLER_GIT_PASSWORD" ] && fail 78 "$url does not take user \${OSTLER_GIT_USER:-git} with the password it was given: put a valid one into the secret"
    fail 78 "$url wants a user and password: name them in the credentials of the source or the step"
  fi
  said 'cannot run ssh|ssh: (command )?not found' && fail 78 "ssh is not installed on this worker's host: install it (on Debian: apt-get install openssh-client)"
  said 'could not resolve|timed out|timeout|connection (refused|reset|closed)|could not connect|failed to connect|no route to host|network is unreachable|temporary failure|early eof|hung up|unexpected disconnect|error: (5[0-9][0-9]|429)|rpc failed|unable to look up|transfer closed|gnutls|tls connection|invalid index-pack' &&
    fail 75 "$url could not be reached: $what"
  said 'repository .*(not found|does not exist)|does not appear to be a git repository' &&
    fail 78 "there is no repository at $url, or none that these credentials may see: $what"
  return 1
}
command -v git >/dev/null || fail 78 "git is not installed on this worker's host, where checkouts run: install it (on Debian: apt-get install git)"

`

const preparing = `cd "$directory" || fail 1 "the directory $directory cannot be entered"
# Not the directory itself, which a container may hold.
[ "$mode" = fresh ] && find . -mindepth 1 -maxdepth 1 -exec rm -rf {} +
if [ -L .git ] || [ -f .git ] || { [ -d .git ] && [ -n "$(find .git -type l | head -n 1)" ]; }; then
  echo "the repository here was changed into something else: starting anew"
  rm -rf .git
fi
if [ -d .git ]; then
  find .git -name '*.lock' -type f -exec rm -f {} +
  rm -rf .git/config .git/config.worktree .git/commondir .git/worktrees .git/info .git/objects/info/alternates .git/objects/info/http-alternates
fi
git_ init -q --template= . >/dev/null 2>&1 && [ "$(git_ rev-parse --git-dir 2>/dev/null)" = .git ] || {
  echo "what is left of a repository here is broken: starting anew"
  rm -rf .git
  git_ init -q --template= . || fail 1 "git cannot make a repository here"
}
git_ config remote.origin.url "$url" || fail 1 "git cannot write its configuration"

`

const fetching = `deep=
[ -n "$depth" ] && deep="--depth=$depth"
full=
[ -z "$depth" ] && [ -e .git/shallow ] && full=--unshallow
ref="+refs/heads/$branch:refs/remotes/origin/$branch"
have() { git_ cat-file -e "$1^{commit}" 2>/dev/null; }
fetch() { remote fetch -q --no-tags --no-recurse-submodules --force "$@"; }

wanted=$revision branch_failed=
if [ -z "$revision" ] || ! have "$revision"; then
  if [ -n "$branch" ]; then
    fetch $deep $full --end-of-options origin "$ref" || branch_failed=yes
    [ -z "$revision" ] && [ -n "$branch_failed" ] && fail 1 "branch $branch of $url cannot be fetched: it may be gone"
    [ -z "$revision" ] && wanted=$(git_ rev-parse --verify -q --end-of-options "refs/remotes/origin/$branch^{commit}")
  elif [ -z "$revision" ]; then
    fetch $deep $full --end-of-options origin +HEAD:refs/remotes/origin/HEAD || fail 1 "the default branch of $url cannot be fetched"
    wanted=$(git_ rev-parse --verify -q 'refs/remotes/origin/HEAD^{commit}')
  fi
  if ! have "$wanted"; then
    echo "revision $wanted is not on the branch: asking for it by its name"
    case $wanted in
      *[!0-9a-f]*) fetch $deep $full --end-of-options origin "+$wanted:refs/ostler/wanted" ;;
      *) fetch $deep $full --end-of-options origin "$wanted" ;;
    esac
    have "$wanted" || case $wanted in *[!0-9a-f]*) wanted=refs/ostler/wanted ;; esac
  fi
  have "$wanted" || [ -z "$deep" ] || [ -n "$branch_failed" ] || fetch --unshallow --end-of-options origin "$ref"
  have "$wanted" || fail 1 "revision $revision is gone from $url: neither branch \${branch:-HEAD} has it nor does the server give it by its name"
fi
commit=$(git_ rev-parse --verify -q --end-of-options "$wanted^{commit}") || fail 1 "revision $wanted is no commit"

`

const placing = `git_ -c core.symlinks=true checkout -q --force --detach "$commit" -- || fail 1 "git cannot check out $commit"
git_ reset -q --hard "$commit" || fail 1 "git cannot reset to $commit"
[ "$mode" = clean ] && { git_ clean -q -ffdx || fail 1 "git cannot clean the workspace"; }

# All in a workspace that says to git where a submodule is and what to run there.
inside() {
  find . -path ./.git -prune -o -name .git -print
  find .git/modules -type f \\( -name config -o -name config.worktree -o -name commondir -o -name gitdir -o -path '*/info/*' -o -path '*/hooks/*' \\) 2>/dev/null
}
seal() { inside | sort | while IFS= read -r path; do echo "$path"; cat "$path"; done 2>&1 | sha256sum; }
if [ -n "$submodules" ]; then
  sealed=$state/submodules/$(printf %s "$directory" | sha256sum | cut -c 1-40)
  mkdir -p "$state/submodules"
  if [ -e .git/modules ] && [ "$(cat "$sealed" 2>/dev/null)" != "$(seal)" ]; then
    echo "the submodules are not as they were left: fetching them anew"
    find . -path ./.git -prune -o -name .git -prune -exec rm -rf {} +
    rm -rf .git/modules
    git_ submodule -q deinit --force --all || fail 1 "git cannot clear the submodules"
  fi
  rm -f "$sealed"
  git_ submodule -q init && git_ submodule -q sync --recursive || fail 1 "git cannot read the submodules"
  remote submodule -q update --init --recursive --force $deep || fail 1 "a submodule of $commit cannot be checked out: $what"
  if [ "$mode" = clean ]; then
    git_ submodule -q foreach --recursive 'git clean -q -ffdx' || fail 1 "git cannot clean the submodules"
  fi
  seal >"$sealed"
fi
echo "at $(git_ log -1 --format='%H %s' "$commit")"
printf '%s\\n' "$commit" >"$value"
`
