// Calls the functions of modules that `connect-core table --format typescript` printed, compiled.
//
// stdin:  {"modules": [path], "calls": [[function, argument, ...]]}
// stdout: for each module, what each call returned; the name of the error if it threw one.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { modules, calls } = JSON.parse(readFileSync(0, 'utf8'));

function answer(module, [name, ...given]) {
  try {
    return module[name](...given);
  } catch (error) {
    return error.name;
  }
}

const answers = [];
for (const path of modules) {
  const module = await import(pathToFileURL(path));
  answers.push(calls.map((call) => answer(module, call)));
}
console.log(JSON.stringify(answers));
