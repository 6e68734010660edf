// What a worker cut out of a build's output while its master was away is seen wherever people look.
import {randomBytes} from 'node:crypto'
import {existsSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Page, Worker} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {System} from '../support/system.ts'
import {visit} from '../support/visit.ts'
import {builder, sh, written} from '../support/written.ts'

const shots = process.env['OSTLER_TEST_SCREENSHOTS']

needs('chromium')(
  'output that was cut while the master was away is told in the log, and on every page, list and gauge',
  async (t) => {
    const config = (folder: string) =>
      written([
        builder('prints', [
          sh(
            's',
            `echo up; i=0; while [ $i -lt 60 ]; do cat ${folder}/block; i=$((i+1)); sleep 0.02; done; echo >${folder}/done; echo end`,
          ),
        ]),
      ])
    const system = await System.start(t, {config})
    writeFileSync(
      join(system.folder, 'block'),
      `${randomBytes(750_000)
        .toString('base64')
        .replace(/.{100}/g, '$&\n')}\n`,
    )
    await system.startWorker({name: 'w1', more: ['--spool-limit', '4MiB']})
    const buildset = await system.force('force', {builder: 'prints'})
    await system.event(({type}) => type === 'step.started')
    await system.master.process.kill()
    await system.until('the step has printed all', () =>
      Promise.resolve(existsSync(join(system.folder, 'done')) || null),
    )
    await system.startMaster()
    const [build] = await system.builds(buildset)
    t.is(build?.result, 'success')
    const log = await system.log(build?.id ?? '', 's')
    const [, bytes = ''] =
      /--- (\d+) bytes in \d+ lines of output are left out here: this worker keeps 4194304 bytes/.exec(log) ??
      []
    t.true(Number(bytes) > 30e6)
    t.regex(log, /\nend\n/)

    const [worker] = (await system.api.get<Page<Worker>>('/workers')).items
    t.like(worker?.spool, {limitBytes: 4194304, policy: 'truncate', cutBytes: Number(bytes)})
    const gauges = await system.api.outside('/metrics')
    t.regex(gauges, new RegExp(`ostler_worker_spool_cut_bytes\\{worker="w1"\\} ${bytes}\n`))
    t.regex(gauges, /ostler_worker_spool_limit_bytes\{worker="w1"\} 4194304\n/)
    t.regex((await system.master.ostler('workers')).stdout, /w1 .* of 4 MiB, cut \d+(\.\d)? MiB/)

    for (const [name, width, scheme] of [
      ['light', 1280, 'light'],
      ['dark', 1280, 'dark'],
      ['narrow', 390, 'light'],
    ] as const) {
      const {page, done} = await visit(t, system, {width, height: 800, scheme})
      await page.goto(`${system.master.url}/workers`)
      await page.getByText(/ of 4\.2 MB.*MB cut since its start/).waitFor()
      if (shots) await page.screenshot({path: join(shots, `workers-${name}.png`), fullPage: true})
      await done()
    }
  },
)
