// Makes this folder ready to run, from nothing but Node: checks Node's version, installs the packages when they are
// missing or older than the lock file, and builds when a source has changed. Plain Node without packages, since it
// runs before there are any. Used by the commands a newcomer types first: demo, test and bench.
import {spawn} from 'node:child_process'
import {accessSync, constants, existsSync, lstatSync, mkdtempSync, readFileSync, statSync} from 'node:fs'
import {homedir, tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'
import {build, NotReady, recordInstalled, root, whyInstall} from './build.mjs'

export {NotReady}

/** Installs and builds what is needed, telling `say` about it; rejects with NotReady when that cannot be done. */
export async function ready(say = console.log) {
  checkNode()
  const why = whyInstall()
  if (why) await install(why, say)
  await build(say)
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

async function install(why, say) {
  checkWritable(why)
  say(`Installing packages (${why}); this takes about a minute the first time.`)
  const started = Date.now()
  const {code, output} = await watched(npm(), installArguments, {
    env: {...process.env, ...cacheForThisUser()},
    tick: (seconds) => say(`  still installing, ${seconds} s`),
  })
  if (code !== 0) throw new NotReady(`${output.trim()}\n\n${whyInstallFailed(output)}`)
  recordInstalled()
  say(`  installed in ${Math.round((Date.now() - started) / 1000)} s`)
}

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
  if (/EBADENGINE|Unsupported engine/.test(output))
    return `npm refused this Node (${process.versions.node}); see the line above for what it wants.`
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|network/i.test(output))
    return 'npm could not reach its registry. The first run needs the network (a proxy is set with `npm config set proxy`); later ones do not.'
  if (/EACCES|EROFS|EPERM/.test(output))
    return `npm could not write; check who owns ${root} (you are ${whoami()}).`
  if (/ENOSPC/.test(output)) return 'The disk is full: the packages need about 400 MB.'
  return 'npm ci failed; its own words are above.'
}

function checkWritable(why) {
  const places = [root, join(root, 'node_modules'), join(root, 'dist')].filter((place) => existsSync(place))
  for (const place of places) {
    try {
      accessSync(place, constants.W_OK)
    } catch (error) {
      const owner = statSync(place).uid
      throw new NotReady(
        error.code === 'EROFS'
          ? `${place} is on a read-only file system. Clone the repository to a place that can be written.`
          : `${place} cannot be written by ${whoami()} (it belongs to user id ${owner}). Make a clone of your own.`,
      )
    }
  }
  if (existsSync(join(root, 'node_modules')) && lstatSync(join(root, 'node_modules')).isSymbolicLink())
    throw new NotReady(
      `node_modules is a link, so its packages are somebody else's to install (${why}): run npm ci where it leads.`,
    )
}

/** npm wants a cache folder; users such as `nobody` have no home for it. */
function cacheForThisUser() {
  if (process.env.npm_config_cache && isWritable(process.env.npm_config_cache)) return {}
  if (isWritable(homedir())) return {}
  return {npm_config_cache: mkdtempSync(join(tmpdir(), 'ostler-npm-'))}
}

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function whoami() {
  try {
    return userInfo().username
  } catch {
    return `user id ${process.getuid()}`
  }
}

/** The npm that runs us, or the one on the search path. */
function npm() {
  const path = process.env.npm_execpath
  return path && /\.c?js$/.test(path) && existsSync(path) ? [process.execPath, path] : ['npm']
}

/** Runs a program, keeping its output and telling `tick` every ten seconds that it still runs. */
function watched([file, ...first], rest, {env, tick}) {
  return new Promise((resolve) => {
    const started = Date.now()
    const child = spawn(file, [...first, ...rest], {cwd: root, env, stdio: ['ignore', 'pipe', 'pipe']})
    let output = ''
    const keep = (chunk) => (output += chunk)
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const timer = setInterval(() => tick(Math.round((Date.now() - started) / 1000)), 10_000)
    const settle = (code) => {
      clearInterval(timer)
      resolve({code, output})
    }
    child.on('error', (error) => {
      keep(error.code === 'ENOENT' ? 'npm is not installed (on Debian: apt install npm).' : error.message)
      settle(1)
    })
    child.on('close', settle)
  })
}
