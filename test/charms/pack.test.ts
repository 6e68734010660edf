// `scripts/pack-charm.mjs`: the charm's files in a zip that others can read, the same bytes for the same files.
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {parse} from 'yaml'
import {needs} from '../support/needs.ts'
import {repository} from '../support/sources.ts'

const script = (code: string) =>
  execFileSync(process.execPath, ['--input-type=module', '-e', code], {cwd: repository, encoding: 'utf8'})

needs('unzip')('an archive is read by others, keeps its modes, and is the same for the same files', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-zip-'))
  t.teardown(() => rmSync(folder, {recursive: true, force: true}))
  const make = (name: string, order: string) =>
    script(`import {zip} from './scripts/zip.mjs'; import {writeFileSync} from 'node:fs'
      const files = [{name: 'run', bytes: Buffer.from('#!/bin/sh'), mode: 0o755}, {name: 'a.txt', bytes: Buffer.from('text'.repeat(99)), mode: 0o644}]
      writeFileSync(${JSON.stringify(join(folder, name))}, zip(files${order}))`)
  make('one', '')
  make('two', '.reverse()')
  t.deepEqual(readFileSync(join(folder, 'one')), readFileSync(join(folder, 'two')))
  const archive = join(folder, 'one')
  const unzip = (...args: string[]) => execFileSync('unzip', args, {encoding: 'utf8'})
  t.regex(unzip('-t', archive), /No errors detected/)
  t.is(unzip('-Z1', archive), 'a.txt\nrun\n')
  t.is(unzip('-p', archive, 'a.txt'), 'text'.repeat(99))
  t.regex(unzip('-Z', archive, 'run'), /^-rwxr-xr-x /m)
})

for (const [file, pattern] of [
  ['bundle.yaml', /^ostler\.yaml$/],
  ['staging.yaml', /^ostler-staging\.yaml$/],
] as const)
  test(`the configuration that ${file} deploys is there and good`, (t) => {
    const bundle = parse(readFileSync(join(repository, 'charms', file), 'utf8')) as {
      applications: Record<string, {options: Record<string, string>}>
    }
    const named =
      bundle.applications['ostler-master']?.options['configuration']?.replace('include-file://', '') ?? ''
    t.regex(named, pattern)
    const check = [join(repository, 'bin', 'ostler.mjs'), 'check-config', join(repository, 'charms', named)]
    t.regex(execFileSync(process.execPath, check, {encoding: 'utf8'}), /is good/)
  })

test('the bundle and its overlay set only options and name only endpoints that the charms have', (t) => {
  const read = (path: string) =>
    parse(readFileSync(join(repository, 'charms', path), 'utf8')) as Record<string, never>
  const wrong: string[] = []
  for (const file of ['bundle.yaml', 'staging.yaml']) {
    const {applications, relations = []} = read(file) as unknown as {
      applications: Record<string, {options?: object}>
      relations?: string[][]
    }
    for (const role of ['master', 'worker']) {
      const charm = read(`${role}/charmcraft.yaml`) as unknown as Record<string, Record<string, object>>
      const options = Object.keys(applications[`ostler-${role}`]?.options ?? {})
      wrong.push(...options.filter((name) => !(name in (charm['config']!['options'] ?? {}))))
      const endpoints = ['provides', 'requires'].flatMap((one) => Object.keys(charm[one] ?? {}))
      const ours = relations.flat().filter((end) => end.startsWith(`ostler-${role}:`))
      wrong.push(...ours.filter((end) => !endpoints.includes(end.split(':')[1] ?? '')))
    }
  }
  t.deepEqual(wrong, [])
})
