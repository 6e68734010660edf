// What may not be left once everything is over: rows that nobody will ever finish.
import type pg from 'pg'

/** Every row that is still open, in words. Nothing is, once all requests are finished and told. */
export async function openRows(client: Pick<pg.Client, 'query'>): Promise<string[]> {
  const {rows} = await client.query<{text: string}>(
    `SELECT 'request ' || id || ' is ' || state AS text FROM requests WHERE state <> 'finished'
     UNION ALL SELECT 'buildset ' || id || ' is not complete' FROM buildsets WHERE completed_at IS NULL
     UNION ALL SELECT 'build ' || id || ' is ' || state FROM builds WHERE state <> 'finished'
     UNION ALL SELECT 'attempt ' || id || ' is ' || state FROM attempts WHERE state IN ('offered', 'running')
     UNION ALL SELECT 'step ' || s.number || ' of build ' || s.build_id || ' is ' || s.state FROM steps s
       JOIN builds b ON b.id = s.build_id AND b.attempt = s.attempt WHERE s.state <> 'finished'
     UNION ALL SELECT 'log ' || l.id || ' is not complete' FROM logs l JOIN builds b ON b.attempt = l.attempt WHERE NOT l.complete
     UNION ALL SELECT 'promotion ' || id || ' is still pushing' FROM promotions WHERE state = 'pushing'
     UNION ALL SELECT 'report ' || id || ' is not sent' FROM outbox WHERE sent_at IS NULL`,
  )
  return rows.map(({text}) => text)
}
