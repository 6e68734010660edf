// The promotions page: what lies between two branches, what people say to it, and what comes of it.
import type {Page} from 'playwright-core'
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {accessible, visit} from '../support/visit.ts'

const scenario = needs('chromium').serial

const config = (repository: Repository) => `
access: {read: open}
workers: [{name: here, maxBuilds: 4}]
changeSources:
  - {name: rope, kind: git, url: "file://${repository.server}", branches: ['**'], pollInterval: 1s}
builders:
  - {name: unit, steps: [{kind: git, repository: rope}, {kind: shell, name: test, command: "test ! -e bad"}]}
  - {name: lint, steps: [{kind: git, repository: rope}, {kind: shell, name: lint, command: "true"}]}
schedulers:
  - {name: pushed, kind: singleBranch, source: rope, branch: main, builders: [unit, lint]}
promotions:
  schedule: "0 0 1 1 *"
  rules:
    - name: stable
      kind: fastForward
      source: rope
      from: main
      to: stable
      green: {builders: [unit, lint], policy: newestGreen}
      approvals: {count: 1, role: developer}
`

/** Answers the dialog that asks for a reason. */
async function because(page: Page, reason: string): Promise<void> {
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Reason').fill(reason)
  await dialog.getByRole('button', {name: 'Yes'}).click()
  await dialog.waitFor({state: 'detached'})
}

scenario(
  'a commit is approved, promoted and rolled back on the page, and holds are said with their reason',
  async (t) => {
    const repository = await Repository.make(t)
    const first = await repository.commit('begin')
    await repository.push('main', 'main:stable')
    const system = await System.start(t, {config: () => config(repository), workers: ['here']})
    const good = await repository.commit('better: the lists are sorted')
    await repository.push('main')
    const built = (revision: string, result: string) =>
      system.until(`${result} builds of ${revision}`, async () => {
        const {items} = await system.api.get<{items: {gotRevision: string}[]}>(`/builds?result=${result}`)
        return items.some(({gotRevision}) => gotRevision === revision) || null
      })
    await built(good, 'success')
    const bad = await repository.commit('worse: a shortcut that does not work', {bad: ''})
    await repository.push('main')
    await built(bad, 'failure')

    const {page, done} = await visit(t, system)
    await page.goto(`${system.master.url}/promotions`)
    const rule = page.getByRole('region', {name: 'stable'})
    const commits = rule.locator('.between li')
    await commits
      .filter({hasText: 'worse: a shortcut'})
      .getByText(/unit #\d+: failed/)
      .first()
      .waitFor()
    const chosen = rule.locator('.between-chosen')
    await chosen.getByText('better: the lists are sorted').waitFor()
    await chosen.getByText('would move to stable next').waitFor()
    t.is(await commits.count(), 2)
    await accessible(t, page, 'what lies between')

    await rule.getByRole('button', {name: 'Hold'}).click()
    await because(page, 'the release is being cut')
    await rule.locator('.said-hold').getByText('the release is being cut').waitFor()
    await chosen.getByRole('button', {name: 'Approve'}).click()
    await rule.locator('.said-approval').getByText(good.slice(0, 7)).waitFor()
    t.is(await repository.tip('stable'), first)
    await accessible(t, page, 'a held rule')
    await rule.getByRole('button', {name: 'Release'}).click()
    await because(page, 'it is out')
    await rule.locator('.facts').getByText(good.slice(0, 7)).waitFor()
    t.is(await repository.tip('stable'), good)

    await page.goto(system.master.url)
    await page.locator('.change', {hasText: 'better: the lists'}).first().getByText('▲ stable').waitFor()
    await accessible(t, page, 'a promoted change')
    await page.goto(`${system.master.url}/promotions`)
    await rule.getByRole('button', {name: 'Roll back'}).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(`stable goes from`).waitFor()
    await dialog.getByText('1 commit will leave it').waitFor()
    await dialog.getByText('better: the lists are sorted').waitFor()
    await accessible(t, page, 'the plan of a rollback')
    await dialog.getByLabel('Reason').fill('it breaks the mail')
    await dialog.getByLabel('never promote it again').check()
    await dialog.getByRole('button', {name: 'Roll back'}).click()
    await dialog.waitFor({state: 'detached'})
    t.is(await repository.tip('stable'), first)
    await rule.locator('.said-hold').waitFor()
    await rule.locator('.said-denial').getByText(good.slice(0, 7)).waitFor()
    await rule.getByText('History').click()
    await rule.locator('.history').getByText('a rollback').first().waitFor()
    await done()
  },
)
