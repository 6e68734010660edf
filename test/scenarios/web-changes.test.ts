// What the web page shows of repositories: promotions, and commits that nobody would write on purpose.
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {accessible, text, visit} from '../support/visit.ts'

const scenario = needs('chromium').serial

const promoting = (repository: Repository) => `
access: {read: open}
workers: [{name: here}]
changeSources:
  - {name: rope, kind: git, url: "file://${repository.server}", branches: ['**'], pollInterval: 1s}
builders:
  - name: a.b-c_1
    steps: [{kind: git, repository: rope}, {kind: shell, name: test, command: "test ! -e bad"}]
schedulers:
  - {name: pushed, kind: singleBranch, source: rope, branch: main, builders: [a.b-c_1]}
  - {name: odd, kind: singleBranch, source: rope, branch: 'odd/<b>&"é', builders: [a.b-c_1]}
promotions:
  schedule: "0 0 1 1 *"
  committer: {name: Ostler, email: ostler@example.org}
  rules:
    - {name: stable, kind: fastForward, source: rope, from: main, to: stable, green: {builders: [a.b-c_1]}}
`

scenario('the promotions page says what it would do and why, does it, and remembers', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('begin')
  await repository.push('main', 'main:stable')
  const system = await System.start(t, {config: () => promoting(repository), workers: ['here']})
  const good = await repository.commit('better')
  await repository.push('main')
  await system.until('the better commit is green', async () => {
    const {items} = await system.api.get<{items: {gotRevision: string}[]}>('/builds?result=success')
    return items.some(({gotRevision}) => gotRevision === good) || null
  })
  const {page, done} = await visit(t, system)
  await page.goto(`${system.master.url}/promotions`)
  await page.getByRole('heading', {name: 'stable'}).waitFor()
  await page.getByRole('button', {name: 'Run now'}).click()
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  t.is(await repository.tip('stable'), good)
  await page.keyboard.press('Escape')
  await dialog.waitFor({state: 'detached'})
  await page.locator('.rule > header .decision-current').waitFor()

  await repository.commit('worse', {bad: ''})
  await repository.push('main')
  // Without a reload: the verdict changes when the build has failed.
  await page.locator('.rule > header .decision-wait').waitFor()
  await page
    .locator('.rule > .reasons')
    .getByText(/its newest/)
    .waitFor()
  await page.getByRole('button', {name: 'Dry run'}).click()
  await dialog.locator('.decision').waitFor()
  await dialog.locator('.reasons li').first().waitFor()
  await accessible(t, page, 'a dry run')
  await page.keyboard.press('Escape')
  t.is(await repository.tip('stable'), good)
  await page.getByText('History').click()
  await page.locator('.history .decision-promote').first().waitFor()
  await accessible(t, page, 'the promotions')
  await page.goto(system.master.url)
  await page.locator('.promotion').getByText(good.slice(0, 7)).waitFor()
  await accessible(t, page, 'the rails')
  await done()
})

scenario('commits with odd messages, authors and branches are shown as they are', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('begin')
  const odd = 'odd/<b>&"é'
  await repository.git('checkout', '--quiet', '-b', odd)
  await repository.commit('<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>')
  await repository.push(odd)
  const system = await System.start(t, {config: () => promoting(repository), workers: ['here']})
  const message = `a line of one megabyte ${'x'.repeat(1024 * 1024)}`
  await repository.fastImport(
    Buffer.concat([
      Buffer.from(`commit refs/heads/${odd}\ncommitter `),
      Buffer.from([0x4a, 0xf6, 0x72, 0x67, 0xff]), // Jörg in Latin-1, and a byte that is nothing
      Buffer.from(
        ` <j@example.org> 1700009999 +0000\ndata ${message.length}\n${message}\nfrom refs/heads/${odd}^0\n\n`,
      ),
    ]),
  )
  await repository.push(odd)
  const {page, done} = await visit(t, system)
  await page.goto(system.master.url)
  await page.locator('.change', {hasText: '<img src=x'}).waitFor()
  await page.locator('.change', {hasText: 'a line of one megabyte'}).waitFor()
  await page.locator('.change', {hasText: odd}).first().waitFor()
  await page.locator('.block.tone-success').first().waitFor()
  await page.locator('.block-head').first().click()
  await page.locator('.panel').waitFor()
  await page.locator('.panel').getByRole('link', {name: 'Open build'}).click()
  await page.getByRole('heading', {name: 'Changes'}).waitFor()
  t.true((await text(page)).includes(odd))
  t.true((await page.content()).length < 400_000, 'the long message is whole in the page')
  t.false(await page.evaluate("'hurt' in window"))
  await page.goto(`${system.master.url}/builders/a.b-c_1`)
  await page.getByRole('heading', {name: 'a.b-c_1'}).waitFor()
  await accessible(t, page, 'a builder')
  await done()
})
