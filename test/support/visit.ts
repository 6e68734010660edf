// Visits of the web page in tests: a master with builders worth looking at, and pages that must neither complain nor
// ask anybody but their master.
import {AxeBuilder} from '@axe-core/playwright'
import test, {type ExecutionContext} from 'ava'
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Browser, Page} from 'playwright-core'
import {launchBrowser, openPage, type Looks} from './browser.ts'
import {System} from './system.ts'

let browser: Browser | null = null
test.after.always(() => browser?.close())

/** A step that says `before`, waits for the file `name` in the folder, and says `after`. */
const held = (folder: string, name: string) =>
  `echo before ${name}; until [ -e ${join(folder, name)} ]; do sleep 0.05; done; echo after ${name}`
/** Lets the step that waits for this file go on. */
export const release = (system: System, name: string) => writeFileSync(join(system.folder, name), '')

const colours = String.raw`printf '\033[31mred\033[0m plain \033[1;32mgreen\033[0m\n<b>no markup</b>\n'; seq 3 200; printf 'no line feed'`

const config = (folder: string, read: 'open' | 'closed' = 'open') => `
title: Ropewalk
access: {read: ${read}}
workers: [{name: here, labels: {os: linux}, maxBuilds: 2}]
builders:
  - name: held
    tags: [slow]
    steps:
      - {kind: shell, name: first, command: ${JSON.stringify(held(folder, 'one'))}}
      - {kind: shell, name: second, command: ${JSON.stringify(held(folder, 'two'))}}
  - name: colours
    tags: [quick]
    steps: [{kind: shell, name: 'print <i>"all"</i> & more', command: ${JSON.stringify(colours)}}]
  - name: fails
    tags: [quick]
    steps: [{kind: shell, name: break, command: "echo it breaks; exit 3"}]
  - {name: nowhere, tags: [slow], requires: {os: plan9}, steps: [{kind: shell, name: any, command: "true"}]}
schedulers:
  - {name: any, kind: force, builders: [held, colours, fails, nowhere]}
  - name: asks
    kind: force
    label: Build by hand
    builders: [colours]
    parameters:
      - {name: issue, kind: integer, required: true, min: 1, max: 999, label: Issue}
      - {name: suite, kind: choice, choices: [unit, all], default: all}
      - {name: thorough, kind: boolean, default: true}
      - {name: note, kind: string, pattern: '[a-z ]*'}
`

/** A master with one worker and these builders. */
export async function start(t: ExecutionContext, read: 'open' | 'closed' = 'open') {
  return System.start(t, {config: (folder) => config(folder, read), workers: ['here']})
}

export interface Visit {
  readonly page: Page
  /** What the page asked for so far. */
  readonly asked: readonly string[]
  /** Closes it; it must not have complained, nor asked another than the master. */
  done(): Promise<void>
}

/** Opens an empty page, logged in as the administrator; `at` is where the master's page is, when it is not at the master. */
export async function visit(
  t: ExecutionContext,
  system: System,
  looks: Looks & {anonymous?: true; at?: string} = {},
): Promise<Visit> {
  browser ??= await launchBrowser()
  const {page, asked, close} = await openPage(browser, looks)
  // A machine that runs everybody's tests at once is slow; the waits end as soon as they can.
  page.setDefaultTimeout(60_000)
  const home = looks.at ?? system.master.url
  if (!looks.anonymous)
    await page.request.post(`${home}/api/v1/session`, {
      data: {token: adminToken(system)},
      headers: {origin: new URL(home).origin},
    })
  t.teardown(() => page.context().close())
  const done = async () => {
    t.deepEqual(
      asked.filter((url) => !url.startsWith(`${home}/`) && !url.startsWith('data:')),
      [],
    )
    await close()
  }
  return {page, asked, done}
}

export const adminToken = (system: System) => readFileSync(system.master.tokenFile, 'utf8').trim()

/** Nothing that a person with a screen reader, or weak eyes, could not pass. */
export async function accessible(t: ExecutionContext, page: Page, where: string) {
  const {violations} = await new AxeBuilder({page}).analyze()
  const serious = violations.filter(({impact}) => impact === 'serious' || impact === 'critical')
  t.deepEqual(
    serious.map(({id, nodes}) => `${where}: ${id}: ${nodes.map(({html}) => html.slice(0, 200)).join(' | ')}`),
    [],
  )
}

/** A build's block on the waterfall, by `builder number`. */
export const block = (page: Page, name: string) => page.locator(`[data-build][aria-label^="${name},"]`)
/** All the text of the page below its head. */
export const text = async (page: Page) => (await page.locator('main').textContent()) ?? ''
