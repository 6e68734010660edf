// The web page as one who watches uses it: a real master and worker, Chromium, nothing in between.
import {readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {needs} from '../support/needs.ts'
import {accessible, block, release, start, visit} from '../support/visit.ts'

const scenario = needs('chromium').serial

scenario('a build appears in the waterfall, runs and turns green without a reload', async (t) => {
  const system = await start(t)
  const {page, asked, done} = await visit(t, system)
  await page.goto(system.master.url)
  await page.getByText('live', {exact: true}).waitFor()
  const documents = asked.filter((url) => !url.includes('/api/'))
  t.true(documents.length <= 3, `the first paint took ${documents.join(' ')}`)
  await page.evaluate('window.same = true')

  await system.force('any', {builder: 'held'})
  await page.locator('.block.tone-running').waitFor()
  await page.locator('.step-line.tone-running', {hasText: 'first'}).waitFor()
  await accessible(t, page, 'a running build')
  release(system, 'one')
  await page.locator('.step-line.tone-success', {hasText: 'first'}).waitFor()
  await page.locator('.step-line.tone-running', {hasText: 'second'}).waitFor()
  t.regex((await block(page, 'held 1').getAttribute('aria-label')) ?? '', /running at step second/)
  release(system, 'two')
  await page.locator('.block.tone-success').waitFor()
  t.true(await page.evaluate("'same' in window"), 'the page was loaded again')
  await done()
})

scenario("a running build's page shows new log lines as they are written", async (t) => {
  const system = await start(t)
  const buildset = await system.force('any', {builder: 'held'})
  const build = await system.until('the build starts', async () => {
    const {requests} = await system.api.get<{requests: {builds: string[]}[]}>(`/buildsets/${buildset}`)
    return requests[0]?.builds[0]
  })
  const {page, done} = await visit(t, system)
  await page.goto(`${system.master.url}/builds/${build}`)
  const log = page.locator('.log-view')
  await log.getByText('before one').waitFor()
  await page.evaluate('window.same = true')
  release(system, 'one')
  // The first step is over; the page goes to the one that runs.
  await log.getByText('before two').waitFor()
  await accessible(t, page, 'a running log')
  release(system, 'two')
  await log.getByText('after two').waitFor()
  await page.getByText('following').waitFor({state: 'detached'})
  await page.locator('.build-head.tone-success').waitFor()
  t.true(await page.evaluate("'same' in window"))
  await done()
})

scenario(
  'a log has its colours, links to lines, a search and a download, and no markup of its own',
  async (t) => {
    const system = await start(t)
    const [build] = await system.builds(await system.force('any', {builder: 'colours'}))
    const {page, done} = await visit(t, system)
    await page.goto(`${system.master.url}/builds/${build!.id}#S1L5`)
    await page.locator('.log-line.marked', {has: page.locator('[data-line="5"]')}).waitFor()
    t.is(await page.locator('.log-view .ansi-red-fg').textContent(), 'red')
    t.is(await page.locator('.log-view .ansi-green-fg').textContent(), 'green')
    await page.locator('.log-view').getByText('<b>no markup</b>').waitFor()
    await page.locator('.steps').getByText('print <i>"all"</i> & more').waitFor()

    await page.keyboard.press('/')
    await page.keyboard.type('no line feed')
    await page.keyboard.press('Enter')
    await page.locator('.log-line.found').getByText('no line feed').waitFor()
    await page.getByText('1 of 1').waitFor()
    await page.locator('.log-line', {hasText: 'no line feed'}).locator('a').click()
    t.regex(page.url(), /#S1L201$/)

    const download = page.waitForEvent('download')
    await page.getByText('download', {exact: true}).click()
    const saved = readFileSync(await (await download).path(), 'utf8')
    t.true(saved.startsWith('\u001b[31mred') && saved.endsWith('200\nno line feed'))
    await accessible(t, page, 'a finished build')
    await done()
  },
)

scenario('the waterfall is used with the keyboard alone', async (t) => {
  const system = await start(t)
  for (const builder of ['colours', 'fails', 'colours']) {
    // Of the builds beside it, the one that began nearest in time is gone to: that shall be the later one.
    if (builder === 'fails') await sleep(2000)
    await system.builds(await system.force('any', {builder}))
  }
  const {page, done} = await visit(t, system)
  await page.goto(system.master.url)
  await block(page, 'colours 2').waitFor()
  const press = async (key: string, expected: string) => {
    await page.keyboard.press(key)
    await page.locator(`[data-build][aria-label^="${expected},"]:focus`).waitFor()
  }
  await press('j', 'colours 2')
  await press('j', 'colours 1')
  await press('k', 'colours 2')
  await press('l', 'fails 1')
  await press('h', 'colours 2')
  await press('n', 'fails 1')
  await page.keyboard.press('Enter')
  await page.locator('.panel').getByText('it breaks').waitFor()
  t.regex(page.url(), /build=\d+/)
  await page.keyboard.press('Escape')
  await page.locator('.panel').waitFor({state: 'detached'})
  await page.keyboard.press('?')
  await page.getByRole('dialog', {name: 'Keys and marks'}).waitFor()
  await accessible(t, page, 'the help')
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({state: 'detached'})
  await page.keyboard.press('/')
  await page.keyboard.type('is:failure')
  await block(page, 'colours 2').waitFor({state: 'detached'})
  await page.keyboard.press('Escape')
  await page.keyboard.press('g')
  await page.keyboard.press('k')
  await page.waitForURL(/\/workers$/)
  await page.keyboard.press('g')
  await page.keyboard.press('w')
  await page.locator('.board').waitFor()
  await done()
})

scenario('when the master is gone the page says so, and goes on by itself when it is back', async (t) => {
  const system = await start(t)
  const {page, done} = await visit(t, system, {mayComplain: /ERR_|Failed to load/})
  await page.goto(system.master.url)
  await page.getByText('live', {exact: true}).waitFor()
  await page.evaluate('window.same = true')
  await system.master.process.kill()
  await page.locator('.banner').waitFor()
  await accessible(t, page, 'the stale banner')
  await system.startMaster()
  await system.untilConnected('here')
  await page.locator('.banner').waitFor({state: 'detached'})
  await system.force('any', {builder: 'fails'})
  await page.locator('.block.tone-failure').waitFor()
  t.true(await page.evaluate("'same' in window"))
  await done()
})
