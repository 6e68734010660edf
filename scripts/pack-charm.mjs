#!/usr/bin/env node
// `scripts/pack-charm.mjs [--to DIR] [master|worker]...`: makes `.charm` files of charms/, as charmcraft would: the split metadata,
// `dispatch`, the bundled hook, the version that it pins, and what monitoring needs. Wants a built tree (npm run build).
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {parseArgs} from 'node:util'
import YAML from 'yaml'
import {problemsOf, spread} from '../dist/charms/core/charmcraft.js'
import {root} from './place.mjs'
import {zip} from './zip.mjs'

const roles = ['master', 'worker']

/** The files of one charm, `{name, bytes, mode}` each. Throws with everything that is wrong with its charmcraft.yaml. */
export function filesOf(role, version = ownVersion()) {
  const file = join('charms', role, 'charmcraft.yaml')
  const charm = YAML.parse(readFileSync(join(root, file), 'utf8'))
  const problems = problemsOf(charm)
  if (problems.length > 0) throw new Error(problems.map((problem) => `${file}: ${problem}`).join('\n'))
  const hook = join(root, 'dist', 'packed', 'hook.mjs')
  if (!existsSync(hook)) throw new Error(`${hook} is not there: run npm run build first`)
  const texts = {
    ...Object.fromEntries(Object.entries(spread(charm)).map(([name, data]) => [name, YAML.stringify(data)])),
    role: `${role}\n`,
    version: `${version}\n`,
    'monitoring.json': `${JSON.stringify(monitoring(role))}\n`,
    'hook.mjs': readFileSync(hook, 'utf8'),
    dispatch: readFileSync(join(root, 'charms', 'dispatch'), 'utf8'),
  }
  return Object.entries(texts).map(([name, text]) => ({
    name,
    bytes: Buffer.from(text),
    mode: name === 'dispatch' ? 0o755 : 0o644,
  }))
}

/** Writes the charms and answers their paths. */
export function pack(wanted, folder, version = ownVersion()) {
  mkdirSync(folder, {recursive: true})
  return wanted.map((role) => {
    const path = join(folder, `ostler-${role}.charm`)
    writeFileSync(path, zip(filesOf(role, version)))
    return path
  })
}

/** The packages' version, which is the changelog's. */
function ownVersion() {
  const changelog = join(root, 'debian', 'changelog')
  const [, version] = existsSync(changelog) ? (/\(([^)]+)\)/.exec(readFileSync(changelog, 'utf8')) ?? []) : []
  return version ?? JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
}

/** What the master's relation to an observability agent says; the dashboard as such agents want it, base64 of xz. */
function monitoring(role) {
  const folder = join(root, 'debian', 'monitoring')
  const [alerts, dashboard] = ['alerts.yaml', 'dashboard.json'].map((name) => join(folder, name))
  if (role !== 'master') return {alerts: {}, dashboards: []}
  return {
    alerts: existsSync(alerts) ? YAML.parse(readFileSync(alerts, 'utf8')) : {},
    dashboards: existsSync(dashboard) ? [xz(readFileSync(dashboard)).toString('base64')] : [],
  }
}

const xz = (bytes) => execFileSync('xz', ['--format=xz', '--stdout'], {input: bytes})

if (process.argv[1] === import.meta.filename) {
  const {values, positionals} = parseArgs({options: {to: {type: 'string'}}, allowPositionals: true})
  const unknown = positionals.filter((role) => !roles.includes(role))
  if (unknown.length > 0) {
    console.error(`there is no charm ${unknown.join(', ')}: master or worker`)
    process.exit(2)
  }
  const folder = resolve(values.to ?? join(root, 'dist', 'packed'))
  for (const path of pack(positionals.length > 0 ? positionals : roles, folder)) console.log(path)
}
