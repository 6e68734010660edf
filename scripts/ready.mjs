// Makes this folder ready to run, from nothing but Node: checks Node's version, installs the packages when they are
// missing or older than the lock file, and builds when a source has changed. Plain Node without packages, since it
// runs before there are any. Used by the commands a newcomer types first: demo, test and bench.
import {spawnSync} from 'node:child_process'
import {existsSync, mkdtempSync, readFileSync} from 'node:fs'
import {homedir, tmpdir} from 'node:os'
import {join} from 'node:path'
import {build, forgetInstalled, recordInstalled, removeInstalled, root, whyInstall} from './build.mjs'
import {checkFolder, isWritable, NotReady, readable, whoami} from './place.mjs'
import {watched} from './watched.mjs'

export {NotReady}

/** Installs and builds what is needed, telling `say` about it; rejects with NotReady when that cannot be done. */
export async function ready(say = console.log) {
  try {
    checkNode()
    checkGit()
    const why = whyInstall()
    if (why) await install(why, say)
    await build(say)
  } catch (error) {
    throw readable(error)
  }
}

/** Runs `work` after ready(); the process's exit code becomes what it answers, or 1 with a clear message. */
export async function whenReady(work) {
  try {
    await ready()
  } catch (error) {
    if (!(error instanceof NotReady)) throw error
    console.error(`\n${error.message}`)
    process.exitCode = 1
    return
  }
  process.exitCode = await work()
}

function checkNode() {
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '')
  const numbers = (version) => version.split('.').map(Number)
  const [have, need] = [numbers(process.versions.node), numbers(wanted)]
  const older = have[0] < need[0] || (have[0] === need[0] && have[1] < need[1])
  if (older)
    throw new NotReady(
      `Ostler needs Node ${wanted} or newer, and this is Node ${process.versions.node} (${process.execPath}).\n` +
        'Debian 13 has it (apt install nodejs npm); for Debian 12 take Node 20 from nodejs.org or NodeSource.',
    )
}

function checkGit() {
  if (spawnSync('git', ['--version'], {stdio: 'ignore'}).error)
    throw new NotReady('git cannot be run, and Ostler needs it (on Debian: apt install git).')
}

async function install(why, say) {
  checkFolder(why)
  say(`Installing packages (${why}); this takes about a minute the first time.`)
  const env = {...process.env, ...cacheForThisUser()}
  await checkRegistry(env)
  const {code, output, seconds} = await watched(npm(), installArguments, {
    env,
    tick: (passed) => say(`  still installing, ${passed} s`),
  })
  if (code !== 0 || diskFilledUp(output)) {
    if (diskFilledUp(output)) removeInstalled()
    else forgetInstalled()
    throw new NotReady(whyInstallFailed(output))
  }
  recordInstalled()
  say(`  installed in ${seconds} s`)
}

/** Asked once, before npm asks for hundreds of packages and again for each. A registry need not know this question. */
async function checkRegistry(env) {
  const quick = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-timeout=20000']
  const {code, output} = await watched(npm(), ['ping', ...quick], {env, tick: () => undefined})
  if (code !== 0 && noAnswer.test(output)) throw new NotReady(whyInstallFailed(output))
}

const noAnswer =
  /spawn npm ENOENT|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|TIMEDOUT|ENETUNREACH|EHOSTUNREACH|timeout/

/** npm counts a file that it could not unpack as a warning, and ends with 0. */
const diskFilledUp = (output) => /TAR_ENTRY_ERROR|ENOSPC|EDQUOT/.test(output)

// No install scripts: nothing here needs one, and the build follows anyway. `include=dev` since NODE_ENV may say production.
const installArguments = [
  'ci',
  '--engine-strict',
  '--ignore-scripts',
  '--include=dev',
  '--no-audit',
  '--no-fund',
]

function whyInstallFailed(output) {
  const sentence = knownFailures.find(([words]) => words.test(output))?.[1]()
  if (!sentence) return `${output.trim()}\n\nnpm ci failed; its own words are above.`
  const own = output.split('\n').find((line) => /^npm (ERR!|error) (?!code|errno|syscall)/.test(line))
  return own ? `${sentence}\n(${own})` : sentence
}

const knownFailures = [
  [/spawn npm ENOENT/, () => 'npm is not installed (on Debian: apt install npm).'],
  [
    /EBADENGINE|Unsupported engine/,
    () => `A package does not run on this Node (${process.versions.node}): use the newest Node 20, 22 or 24.`,
  ],
  [
    /ENOSPC|EDQUOT|TAR_ENTRY_ERROR/,
    () => `The disk filled up under ${root} or npm's cache: make room for the packages, about 600 MB in all.`,
  ],
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY)|CERT_/,
    () =>
      "npm does not trust its registry's certificate: name the right one with `npm config set cafile FILE`.",
  ],
  [
    /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|TIMEDOUT|ENETUNREACH|EHOSTUNREACH|timeout|network/i,
    () =>
      'npm could not reach its registry: the first run needs the network (a proxy is set with `npm config set proxy URL`); later ones do not.',
  ],
  [
    /EACCES|EROFS|EPERM/,
    () => `npm could not write: look who owns ${root} and npm's cache (you are ${whoami()}).`,
  ],
]

/** npm wants a cache folder; users such as `nobody` have no home for it. */
function cacheForThisUser() {
  if (process.env.npm_config_cache && isWritable(process.env.npm_config_cache)) return {}
  if (isWritable(homedir())) return {}
  return {npm_config_cache: mkdtempSync(join(tmpdir(), 'ostler-npm-'))}
}

/** The npm that runs us, or the one on the search path. */
function npm() {
  const path = process.env.npm_execpath
  return path && /\.c?js$/.test(path) && existsSync(path) ? [process.execPath, path] : ['npm']
}
