// The web page as one who acts uses it: forms, buttons and the login, in Chromium against a real master.
import {needs} from '../support/needs.ts'
import {accessible, adminToken, release, start, text, visit} from '../support/visit.ts'

const scenario = needs('chromium').serial

scenario('a form refuses a wrong value at its field, then runs and opens the build', async (t) => {
  const system = await start(t)
  const {page, done} = await visit(t, system, {mayComplain: /422/})
  await page.goto(`${system.master.url}/force/asks`)
  await page.getByRole('heading', {name: 'Build by hand'}).waitFor()
  await page.getByRole('button', {name: 'Start'}).click()
  await page.locator('#problem-issue').waitFor()
  t.is(await page.evaluate('document.activeElement.id'), 'field-issue')
  await accessible(t, page, 'a form with a problem')

  await page.getByLabel('Issue').fill('17')
  await page.getByLabel('suite').selectOption('unit')
  await page.getByLabel('thorough').uncheck()
  // Only the master knows whether this matches.
  await page.getByLabel('note').fill('NOT LOWER')
  await page.getByRole('button', {name: 'Start'}).click()
  t.regex((await page.locator('#problem-note').textContent()) ?? '', /\[a-z \]\*/)
  await page.getByLabel('note').fill('lower')
  await page.getByRole('button', {name: 'Start'}).click()
  await page.waitForURL(/\/builds\/\d+/)
  await page.locator('.build-head.tone-success').waitFor()
  const build = await system.api.get<{properties: object}>(
    `/builds/${page.url().match(/builds\/(\d+)/)![1]!}`,
  )
  t.like(build.properties, {issue: 17, suite: 'unit', thorough: false, note: 'lower'})
  await done()
})

scenario('what waits says why, above now and in the queue, and can be cancelled', async (t) => {
  const system = await start(t)
  const {page, done} = await visit(t, system)
  await page.goto(system.master.url)
  await page.getByText('live', {exact: true}).waitFor()
  await system.force('any', {builder: 'nowhere'})
  const waiting = page.locator('.request')
  await waiting.getByText(/no worker/).waitFor()
  const [top, now] = [await waiting.boundingBox(), await page.locator('.now-line').boundingBox()]
  t.true(top!.y + top!.height <= now!.y, 'it does not stand above now')
  await waiting.click()
  await page
    .locator('.panel .reasons')
    .getByText(/no worker/)
    .waitFor()
  await accessible(t, page, 'a request')

  await page.getByRole('link', {name: 'Queue'}).click()
  await page.getByRole('cell', {name: /no worker/}).waitFor()
  await accessible(t, page, 'the queue')
  await page.getByRole('button', {name: 'Cancel'}).click()
  await page.keyboard.type('nobody has one')
  await page.keyboard.press('Enter')
  await page.getByText('Nothing waits.').waitFor()
  await done()
})

scenario('a build is cancelled with a reason, and built again', async (t) => {
  const system = await start(t)
  await system.force('any', {builder: 'held'})
  const {page, done} = await visit(t, system)
  await page.goto(system.master.url)
  await page.locator('.block.tone-running .block-head').click()
  await page.locator('.panel').getByText('before one').waitFor()
  await page.locator('.panel').getByRole('link', {name: 'Open build'}).click()
  await page.getByRole('button', {name: 'Cancel'}).click()
  await page.keyboard.type('not needed')
  await page.keyboard.press('Enter')
  await page.locator('.build-head.tone-cancelled').waitFor()
  await page.getByText(/by admin.*not needed/).waitFor()
  release(system, 'one')
  release(system, 'two')
  const first = page.url()
  await page.getByRole('button', {name: 'Build again'}).click()
  await page.waitForURL((url) => /\/builds\/\d+$/.test(url.pathname) && url.href !== first)
  await page.locator('.build-head.tone-success').waitFor()
  await done()
})

scenario('a worker is paused with a reason, and resumed', async (t) => {
  const system = await start(t)
  const {page, done} = await visit(t, system)
  await page.goto(`${system.master.url}/workers`)
  await page.locator('.worker-connected').waitFor()
  await page.getByRole('button', {name: 'Pause'}).click()
  await accessible(t, page, 'a question')
  await page.keyboard.type('new disk <b>tonight</b>')
  await page.keyboard.press('Enter')
  await page.locator('.worker-paused').getByText('new disk <b>tonight</b>').waitFor()
  await accessible(t, page, 'a paused worker')
  await page.getByRole('button', {name: 'Resume'}).click()
  await page.locator('.worker-connected').waitFor()
  await done()
})

scenario('without reading rights there is the login and nothing else; after logging out again', async (t) => {
  const system = await start(t, 'closed')
  const [build] = await system.builds(await system.force('any', {builder: 'fails'}))
  const {page, done} = await visit(t, system, {anonymous: true, mayComplain: /401/})
  const told: string[] = []
  page.on(
    'response',
    (response) =>
      void response.text().then(
        (body) => told.push(body),
        () => undefined,
      ),
  )
  for (const path of [
    '/',
    '/builders',
    `/builds/${build!.id}`,
    '/requests',
    '/promotions',
    '/workers',
    '/force/asks',
  ]) {
    await page.goto(system.master.url + path)
    await page.getByLabel('Token').waitFor()
    await page.waitForLoadState('networkidle')
    t.notRegex(await text(page), /fails|colours|it breaks|here/)
  }
  t.false(
    told.some((body) => /it breaks|"builders"|nowhere/.test(body) && !body.includes('react')),
    'it leaked',
  )
  await accessible(t, page, 'the login')

  await page.goto(`${system.master.url}/builds/${build!.id}`)
  await page.getByLabel('Token').fill('not-a-token')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').waitFor()
  await page.getByLabel('Token').fill(adminToken(system))
  await page.keyboard.press('Enter')
  await page.locator('.log-view').getByText('it breaks').waitFor()
  t.is(await page.evaluate('document.cookie'), '')
  t.false((await page.content()).includes(adminToken(system)))
  await page.getByRole('button', {name: 'Log out'}).click()
  await page.getByLabel('Token').waitFor()
  t.notRegex(await text(page), /it breaks/)
  await done()
})
