// What tests ask of an installed Ostler, in words: its builds, its services' status lines, its files.
import type {Machine} from './machine.ts'

/** Where the master keeps things; also how its administrator's token is found. */
export const masterState = '/var/lib/ostler/master'
const asAdmin = `--state-dir ${masterState}`

/** Runs `ostler` as the administrator; answers what it printed. */
export const ostler = (
  machine: Machine,
  command: string,
  options: {seconds?: number} = {},
): Promise<string> => machine.must(`ostler ${command} ${asAdmin}`, options)

/** Waits until the worker is connected, and its build of the installed configuration is green. */
export async function buildGoesGreen(machine: Machine): Promise<void> {
  await machine.until(`ostler workers ${asAdmin} --json | grep -q '"state": "connected"'`)
  const said = await ostler(machine, 'force hello --wait')
  if (!said.includes('hello: success')) throw new Error(`the build was not green:\n${said}`)
}

export interface ShownBuild {
  readonly number: number
  readonly builder: string
  readonly result: string | null
}

/** All builds, the newest first. */
export async function builds(machine: Machine): Promise<readonly ShownBuild[]> {
  return (JSON.parse(await ostler(machine, 'builds --json')) as {items: ShownBuild[]}).items
}

/** What `systemctl status` shows as the service's own word. */
export async function statusLine(machine: Machine, unit: string): Promise<string> {
  const {stdout} = await machine.run(`systemctl status --no-pager --lines=0 ${unit}`)
  return /^ *Status: "(.*)"$/m.exec(stdout)?.[1] ?? ''
}

/** Waits until the service's status line is as it should be; answers it. */
export async function statusLineLike(machine: Machine, unit: string, like: RegExp): Promise<string> {
  for (let tries = 0; ; tries++) {
    const line = await statusLine(machine, unit)
    if (like.test(line)) return line
    if (tries === 100) throw new Error(`${unit} says "${line}", not ${String(like)}`)
    await machine.run('sleep 0.3')
  }
}

/** The configuration of the machine, with a builder `slow` beside `hello`, which takes so many seconds. */
export async function addSlowBuilder(machine: Machine, seconds: number): Promise<void> {
  const command = `for i in $(seq ${seconds}); do echo line $i; sleep 1; done`
  const builder = `  - name: slow\n    steps:\n      - {kind: shell, name: slow, command: '${command}'}\n`
  const config = (await machine.read('/etc/ostler/ostler.yaml'))
    .replace('\nschedulers:', () => `${builder}\nschedulers:`)
    .replace('builders: [hello]', 'builders: [hello, slow]')
  await machine.write('/etc/ostler/ostler.yaml', config)
}
