// Says what is wrong with a document by the schemas of OpenAPI 3.1, and with bodies by the document's own.
//
// Each line of input is {"document": …}, once, and then {"at": "#/…", "value": …}: is the value what the schema at this
// place of the document asks for?
import { createInterface } from 'node:readline';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

const ajv = new Ajv({ allErrors: true, strict: false });
formats(ajv);

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.document) {
    ajv.addSchema({ $id: 'homeroom:', ...asked.document });
    const { valid, errors } = await new Validator().validate(asked.document);
    say(valid, errors);
  } else {
    const fits = ajv.getSchema(`homeroom:${asked.at}`);
    say(fits(asked.value), fits.errors);
  }
}

function say(valid, errors) {
  console.log(JSON.stringify({ event: 'judged', valid, errors }));
}
