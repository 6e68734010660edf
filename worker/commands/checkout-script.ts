// The text of the checkout script. Credentials come by the environment of this step alone: the password through a credential
// helper that prints it, the key through a file beside the script that is gone when the script ends.
import type {Checkout} from '../protocol/plan.ts'
import {environment, quote} from './quote.ts'
import type {Task} from './task.ts'

export interface Filled extends Omit<Checkout, 'url' | 'branch' | 'revision' | 'workdir'> {
  readonly url: string
  readonly branch: string
  readonly revision: string
  readonly directory: string
}

const blocked = /^(GIT_|LD_|SSH_|PATH$|HOME$|XDG_CONFIG_HOME$|BASH_ENV$|ENV$|IFS$)/

/** The script; it prints the revision that it got, or why it got none, to ID.value. */
export function checkoutScript(checkout: Filled, {ground, id, env}: Task): string {
  const {url, branch, revision, directory, mode, depth, submodules} = checkout
  // What users set must not change how git runs.
  const {exports} = environment(
    Object.fromEntries(Object.entries(env).filter(([name]) => !blocked.test(name))),
  )
  const file = (kind: string): string => quote(`${ground.inside}/${id}.${kind}`)
  return `echo $$ >${file('pid')}
[ -e ${file('cancel')} ] && exit 143
${exports}url=${quote(url)} branch=${quote(branch)} revision=${quote(revision)} directory=${quote(directory)}
mode=${mode} depth=${depth ?? ''} submodules=${submodules ? 'yes' : ''} value=${file('value')} home=${file('home')}
${body}`
}

const body = `umask 077
rm -rf "$home" && mkdir "$home" || exit 1
trap 'rm -rf "$home"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export HOME="$home" GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ASKPASS=true SSH_ASKPASS=true
export GIT_ALLOW_PROTOCOL=file:git:http:https:ssh GIT_SSH_VARIANT=ssh LC_ALL=C
ssh='ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=30'
if [ -n "$OSTLER_GIT_SSH_KEY" ]; then
  printf '%s\\n' "$OSTLER_GIT_SSH_KEY" >"$home/key"
  ssh="$ssh -o IdentitiesOnly=yes -o UserKnownHostsFile='$home/known_hosts' -i '$home/key'"
fi
export GIT_SSH_COMMAND="$ssh"
unset OSTLER_GIT_SSH_KEY
helper='!f() { [ "$1" = get ] || exit 0; echo "username=\${OSTLER_GIT_USER:-ostler}"; echo "password=$OSTLER_GIT_PASSWORD"; }; f'
umask 022

git_() {
  if [ -n "$OSTLER_GIT_PASSWORD" ]; then set -- -c credential.helper= -c "credential.helper=$helper" "$@"; fi
  git -c core.hooksPath=/dev/null -c protocol.ext.allow=never -c safe.directory='*' -c gc.auto=0 -c advice.detachedHead=false \\
    -c http.lowSpeedLimit=1 -c http.lowSpeedTime=120 "$@"
}
fail() { # code, text
  printf '%s\\n' "$2" >"$value"
  printf '%s\\n' "$2"
  exit "$1"
}
# Runs a git command that talks to the server; what it says decides whether a later try may succeed.
remote() {
  git_ "$@" 2>"$home/said" && { cat "$home/said"; return 0; }
  cat "$home/said"
  if grep -qiE 'could not resolve|timed out|timeout|connection (refused|reset|closed)|could not connect|failed to connect|no route to host|network is unreachable|temporary failure|early eof|hung up|unexpected disconnect|error: (5[0-9][0-9]|429)|rpc failed|unable to look up|transfer closed|gnutls|tls connection' "$home/said"
  then fail 75 "the repository could not be reached: $(grep -iE 'fatal|error' "$home/said" | head -n 1)"
  fi
  return 1
}

[ "$mode" = fresh ] && rm -rf "$directory"
mkdir -p "$directory" && cd "$directory" || fail 1 "the directory $directory cannot be made"
if [ -e .git ] && ! git_ rev-parse --git-dir >/dev/null 2>&1; then
  echo "what is left of a repository here is broken: starting anew"
  rm -rf .git
fi
[ -e .git ] || git_ init -q . || fail 1 "git cannot make a repository here"
find .git -name '*.lock' -type f -exec rm -f {} + 2>/dev/null
git_ config remote.origin.url "$url" || fail 1 "git cannot write its configuration"

deep=
[ -n "$depth" ] && deep="--depth=$depth"
full=
[ -z "$depth" ] && [ -e .git/shallow ] && full=--unshallow
ref="+refs/heads/$branch:refs/remotes/origin/$branch"
have() { git_ cat-file -e "$1^{commit}" 2>/dev/null; }

wanted=$revision
if [ -z "$revision" ] || ! have "$revision"; then
  if [ -n "$branch" ]; then
    remote fetch -q --no-tags --force $deep $full --end-of-options origin "$ref" || branch_failed=yes
    [ -z "$revision" ] && [ -n "$branch_failed" ] && fail 1 "branch $branch cannot be fetched: it may be gone"
    [ -z "$revision" ] && wanted=$(git_ rev-parse --verify -q --end-of-options "refs/remotes/origin/$branch^{commit}")
  elif [ -z "$revision" ]; then
    remote fetch -q --no-tags --force $deep $full --end-of-options origin +HEAD:refs/remotes/origin/HEAD || fail 1 "the repository cannot be fetched"
    wanted=$(git_ rev-parse --verify -q 'refs/remotes/origin/HEAD^{commit}')
  fi
  if ! have "$wanted"; then
    echo "revision $wanted is not on the branch: asking for it by its name"
    case $wanted in
      *[!0-9a-f]*) remote fetch -q --no-tags --force $deep $full --end-of-options origin "+$wanted:refs/ostler/wanted" ;;
      *) remote fetch -q --no-tags --force $deep $full --end-of-options origin "$wanted" ;;
    esac
    have "$wanted" || case $wanted in *[!0-9a-f]*) wanted=refs/ostler/wanted ;; esac
  fi
  have "$wanted" || [ -z "$deep" ] || remote fetch -q --no-tags --force --unshallow origin "$ref"
  have "$wanted" || fail 1 "revision $revision is gone: neither branch \${branch:-HEAD} has it nor does the server give it by its name"
fi
commit=$(git_ rev-parse --verify -q --end-of-options "$wanted^{commit}") || fail 1 "revision $wanted is no commit"
git_ -c core.symlinks=true checkout -q --force --detach "$commit" -- || fail 1 "git cannot check out $commit"
git_ reset -q --hard "$commit" || fail 1 "git cannot reset to $commit"
[ "$mode" = clean ] && { git_ clean -q -ffdx || fail 1 "git cannot clean the workspace"; }
if [ -n "$submodules" ]; then
  git_ submodule -q sync --recursive || fail 1 "git cannot read the submodules"
  remote submodule -q update --init --recursive --force $deep || fail 1 "a submodule cannot be checked out"
  [ "$mode" = clean ] && git_ submodule -q foreach --recursive 'git clean -q -ffdx'
fi
echo "at $(git_ log -1 --format='%H %s' "$commit")"
printf '%s\\n' "$commit" >"$value"
`
