// Verifies requests as the receivers of Standard Webhooks do, with npm's standardwebhooks. Standard input has a request a
// line, {"secret", "headers", "body"}; standard output gets "ok", or what is wrong with it.
"use strict";
const readline = require("node:readline");
const { Webhook } = require("standardwebhooks");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(body, headers);
    console.log("ok");
  } catch (error) {
    console.log(error.message);
  }
});
