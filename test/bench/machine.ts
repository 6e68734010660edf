// The machine: what it is, what its processes use, and how fast it does the least that each measure needs.
import {spawn} from 'node:child_process'
import {closeSync, openSync, readFileSync, rmSync} from 'node:fs'
import {arch, cpus, loadavg, release, totalmem} from 'node:os'
import {join} from 'node:path'
import pg from 'pg'
import type {MeasureName, Sample} from './figures.ts'

export const logLines = 1_000_000
const format = `%08.0f ${'x'.repeat(90)}`
/** Prints a million lines of 100 bytes; the same for everybody measured. */
export const generator = ['seq', '-f', format, '1', String(logLines)] as const

const ticksPerSecond = 100
const wideSpawns = 400
const lanes = 8
const narrowSpawns = 100
const latencySamples = 20

/** What the figures were measured on. */
export const describeMachine = () => ({
  cpus: cpus().length,
  model: cpus()[0]?.model ?? '',
  memoryMb: Math.round(totalmem() / 2 ** 20),
  kernel: `${release()} ${arch()}`,
  node: process.versions.node,
  load: loadavg().map((load) => Math.round(load * 100) / 100),
})

/** A process's own user and system seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

export const memoryMb = (pid: number): number => statusMb(pid, 'VmRSS')
export const peakMemoryMb = (pid: number): number => statusMb(pid, 'VmHWM')

function statusMb(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024
}

/** The least that a measure needs of this machine, without any CI around it. */
export async function limitOf(
  measure: MeasureName,
  folder: string,
  databaseUrl: string | null,
): Promise<Sample | null> {
  switch (measure) {
    case 'P1':
      return sample((seconds) => wideSpawns / seconds, spawnWide)
    case 'P2':
      return sample(
        (seconds) => (1000 * seconds) / narrowSpawns,
        () => spawnInTurn(narrowSpawns),
      )
    case 'P3':
      return sample(
        (seconds) => logLines / seconds,
        () => compress(join(folder, 'limit.gz')),
      )
    case 'P4':
      return databaseUrl === null ? null : commitAndSpawn(databaseUrl)
    default:
      return null
  }
}

async function sample(figure: (seconds: number) => number, work: () => Promise<void>): Promise<Sample> {
  const startedAt = performance.now()
  await work()
  const seconds = (performance.now() - startedAt) / 1000
  return {value: figure(seconds), details: {seconds}}
}

async function spawnWide(): Promise<void> {
  await Promise.all(Array.from({length: lanes}, () => spawnInTurn(wideSpawns / lanes)))
}

async function spawnInTurn(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await ended(spawn('true', {stdio: ['ignore', 'pipe', 'pipe']}))
}

async function compress(file: string): Promise<void> {
  const out = openSync(file, 'w')
  const words = generator.map((word) => `'${word}'`).join(' ')
  await ended(spawn('sh', ['-c', `${words} | gzip -1`], {stdio: ['ignore', out, 'inherit']}))
  closeSync(out)
  rmSync(file)
}

/** Two durable commits and the start of one command, which takes the time itself. */
async function commitAndSpawn(databaseUrl: string): Promise<Sample> {
  const client = new pg.Client({connectionString: databaseUrl})
  await client.connect()
  try {
    await client.query('CREATE TABLE IF NOT EXISTS bench_limit (at timestamptz)')
    const taken: number[] = []
    for (let n = 0; n < latencySamples; n++) {
      const startedAt = Date.now()
      for (let commits = 0; commits < 2; commits++)
        await client.query('INSERT INTO bench_limit VALUES (now())')
      const child = spawn('date', ['+%s.%N'], {stdio: ['ignore', 'pipe', 'ignore']})
      let text = ''
      child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      await ended(child)
      taken.push(Number(text) * 1000 - startedAt)
    }
    taken.sort((a, b) => a - b)
    return {value: taken[taken.length >> 1] ?? 0, details: {}}
  } finally {
    await client.end()
  }
}

function ended(child: ReturnType<typeof spawn>): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
}
