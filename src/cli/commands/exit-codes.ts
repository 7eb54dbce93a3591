import { exitCodes } from "../../app/exit-codes.ts";
import { print, table } from "../output.ts";

export async function action(): Promise<void> {
  print(
    table(
      ["Code", "Meaning"],
      Object.values(exitCodes).map(({ code, means }) => [String(code), means]),
    ),
  );
  await Promise.resolve();
}
