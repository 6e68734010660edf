// A poller of one's own, as an example: moves a branch to the commit that a builder last found good on another. Plain Node and git:
//   OSTLER_TOKEN=… node scripts/example-poller.mjs http://127.0.0.1:8010 BUILDER REPOSITORY FROM TO
// Exits with 0 when there is nothing to do or it is done, 1 when somebody must look, 2 when it could not work.
import {spawnSync} from 'node:child_process'
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'

const [master, builder, repository, from, to] = process.argv.slice(2)
const mirror = mkdtempSync(`${tmpdir()}/poller-`)

/** Runs git; answers what it prints. Its code is an answer only where `codes` has it. */
function git(args, codes = [0]) {
  const {status, stdout, stderr} = spawnSync('git', ['--git-dir', mirror, ...args], {encoding: 'utf8'})
  if (!codes.includes(status)) throw new Error(`git ${args[0]}: ${stderr}`)
  return {status, text: stdout.trim(), said: stderr.trim()}
}
const contains = (commit, other) => git(['merge-base', '--is-ancestor', other, commit], [0, 1]).status === 0

/** The finished builds of the branch's own scheduler, the one that finished last first. */
async function* finishedBuilds() {
  const asked = new URLSearchParams({state: 'finished', branch: from, origin: 'scheduler', limit: '50'})
  for (let cursor = ''; cursor !== null;) {
    if (cursor) asked.set('cursor', cursor)
    const address = `${master}/api/v1/builders/${encodeURIComponent(builder)}/builds?${asked}`
    const answer = await fetch(address, {headers: {authorization: `Bearer ${process.env.OSTLER_TOKEN}`}})
    if (!answer.ok) throw new Error(`${address} answered ${answer.status}: ${await answer.text()}`)
    const {items, next} = await answer.json()
    yield* items
    cursor = next
  }
}

/** What was checked out by the last build that came to a verdict, if that was good; lost and cancelled builds have none. */
async function goodCommit() {
  for await (const {result, gotRevision, number} of finishedBuilds())
    if (['success', 'warnings', 'failure'].includes(result))
      return {commit: result === 'success' ? gotRevision : null, why: `${builder} #${number}: ${result}`}
  return {commit: null, why: `${builder} has not finished a build of ${from}`}
}

async function poll() {
  const {commit, why} = await goodCommit()
  if (!commit) return [0, `nothing to promote: ${why}`]
  git(['init', '--quiet', '--bare'])
  git(['fetch', '--quiet', repository, `+refs/heads/${from}:refs/from`, `+refs/heads/${to}:refs/to`])
  const old = git(['rev-parse', 'refs/to']).text
  if (git(['cat-file', '-e', commit], [0, 1, 128]).status !== 0 || !contains('refs/from', commit))
    return [1, `${commit} is not on ${from}: was it rewound?`]
  if (contains(old, commit)) return [0, `${to} has ${commit} already`]
  if (!contains(commit, old)) return [1, `${to} has commits that ${commit} does not have; nothing is forced`]
  // The lease stops us if somebody was quicker; that we only go forward was seen above, for a lease does not see to that.
  const lease = `--force-with-lease=refs/heads/${to}:${old}`
  const {status, said} = git(['push', lease, repository, `${commit}:refs/heads/${to}`], [0, 1])
  return status === 0 ? [0, `${to} moved to ${commit} (${why})`] : [1, `not moved, look again later: ${said}`]
}

const [code, text] = await poll().catch((error) => [2, error.message])
console.log(text)
rmSync(mirror, {recursive: true})
process.exitCode = code
