// What `prepare` and `ready` share: whether the packages are the lock file's, and a build that does only what is
// stale. Plain Node without packages. A stamp in dist/ holds what each half was built from.
import {createHash} from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import {dirname, join, relative} from 'node:path'
import {bundle} from './bundle.mjs'
import {checkWritable, NotReady, root} from './place.mjs'
import {watched} from './watched.mjs'

export {root}

const rooms = ['config', 'worker', 'master', 'charms', 'scripts', 'test']
const installedStamp = join(root, 'node_modules', '.ostler-installed')
const npmsOwnStamp = join(root, 'node_modules', '.package-lock.json')
const viteConfig = join(root, 'master', 'web', 'vite.config.ts')

/** Why the packages must be installed, in words; null when they are the lock file's. */
export function whyInstall() {
  if (!existsSync(join(root, 'node_modules'))) return 'there are none yet'
  if (!existsSync(join(root, 'node_modules', 'typescript'))) return 'those for building are missing'
  if (existsSync(installedStamp))
    return readFileSync(installedStamp, 'utf8') === lockDigest() ? null : 'the lock file has changed'
  if (!existsSync(npmsOwnStamp)) return 'the last time it did not end well'
  const older = statSync(npmsOwnStamp).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs
  return older ? 'they are older than the lock file' : null
}

/** Notes that node_modules holds nothing that can be relied on. */
export function forgetInstalled() {
  for (const stamp of [installedStamp, npmsOwnStamp]) rmSync(stamp, {force: true})
}

/** Notes that node_modules now holds what the lock file says. */
export function recordInstalled() {
  writeFileSync(installedStamp, lockDigest())
}

/** Gives back the room that a useless node_modules takes. */
export function removeInstalled() {
  rmSync(join(root, 'node_modules'), {recursive: true, force: true})
}

/** Compiles the TypeScript, bundles the programs and the web page, each only when its sources changed. Rejects when one fails. */
export async function build(say) {
  linkCommand()
  await whenStale('typescript', typescriptSources(rooms), async () => {
    say('Compiling.')
    removeOrphans()
    await run('typescript/bin/tsc', ['-b'], say)
  })
  await whenStale('bundle', bundleSources(), async () => {
    say('Bundling the programs.')
    await bundle()
  })
  await whenStale('share', [...bundleSources(), join(root, 'package.json'), ...changelog()], async () => {
    await run('../dist/scripts/print-commands.js', [], say)
  })
  if (!existsSync(viteConfig)) return
  await whenStale('web', webSources(), async () => {
    say('Bundling the web page.')
    await run('vite/bin/vite.js', ['build', '--config', viteConfig, '--logLevel', 'warn'], say)
  })
}

/** `node_modules/.bin/ostler`: npm links the commands of packages, yet not of the package itself. */
export function linkCommand() {
  const link = join(root, 'node_modules', '.bin', 'ostler')
  mkdirSync(dirname(link), {recursive: true})
  try {
    symlinkSync('../../bin/ostler.mjs', link)
  } catch (error) {
    if (!['EEXIST', 'EROFS', 'EACCES'].includes(error.code)) throw error
  }
}

async function whenStale(name, files, work) {
  const stamp = join(root, 'dist', '.tsbuild', `${name}.built`)
  const digest = digestOf(files)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  checkWritable('a source has changed')
  await work()
  mkdirSync(dirname(stamp), {recursive: true})
  writeFileSync(stamp, digest)
}

function typescriptSources(of) {
  const kinds = /\.(ts|tsx)$|tsconfig\.json$/
  return [
    ...of.flatMap((room) => filesBelow(join(root, room))).filter((file) => kinds.test(file)),
    ...rootFiles(),
  ]
}

function bundleSources() {
  return [
    ...typescriptSources(['config', 'worker', 'master', 'charms', 'scripts']),
    join(root, 'scripts', 'bundle.mjs'),
  ]
}

/** Man pages bear the day of the version. */
const changelog = () => [join(root, 'debian', 'changelog')].filter((file) => existsSync(file))

function webSources() {
  const below = ['master/web', 'master/http', 'worker/protocol', 'config', 'worker/core', 'master/core']
  return [...below.flatMap((room) => filesBelow(join(root, room))), ...rootFiles()]
}

function rootFiles() {
  return ['package-lock.json', 'tsconfig.json', 'tsconfig.base.json'].map((name) => join(root, name))
}

function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, {withFileTypes: true}).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesBelow(path)
    return [path]
  })
}

function digestOf(files) {
  const hash = createHash('sha256')
  for (const file of files.sort()) {
    const {size, mtimeMs} = statSync(file)
    hash.update(`${relative(root, file)} ${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex')
}

function lockDigest() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
}

/** Compiled files whose source is gone would still be run as tests. */
function removeOrphans() {
  for (const file of rooms.flatMap((room) => filesBelow(join(root, 'dist', room)))) {
    const made = /^(.*?)(\.d\.ts|\.js|\.js\.map)$/.exec(relative(join(root, 'dist'), file))
    if (!made || made[1].startsWith('master/web/')) continue
    const sources = ['.ts', '.tsx'].map((ending) => join(root, made[1] + ending))
    if (!sources.some((source) => existsSync(source))) rmSync(file)
  }
}

async function run(program, args, say) {
  // Whoever builds, such as a test run, gets the same.
  const env = {...process.env, NODE_ENV: 'production'}
  const {code, output, seconds} = await watched(
    [process.execPath, join(root, 'node_modules', program)],
    args,
    {env, tick: (passed) => say(`  still at it, ${passed} s`)},
  )
  const words = output.trim()
  const name = program.split('/')[0]
  if (code !== 0) throw new NotReady(`${words}\n\n${name} failed (exit ${code}); its own words are above.`)
  if (words) say(words)
  say(`  done in ${seconds} s`)
}
