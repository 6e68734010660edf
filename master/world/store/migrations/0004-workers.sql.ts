// What a worker tells of its spool: {bytes, limitBytes, policy, cutting, holding, cutBytes}, null for one that tells nothing.
// Why it wants no new builds now; null when it does. And why it was refused when it last came, {text, at}; null once it is let in.
export const up = `
ALTER TABLE workers ADD COLUMN spool jsonb, ADD COLUMN hindered text, ADD COLUMN refused jsonb;
`
