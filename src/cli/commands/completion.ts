import { CommandError } from "../command-error.ts";
import { print } from "../output.ts";

const scripts: { readonly [shell: string]: string } = {
  bash: `_starlight() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(starlight __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _starlight starlight`,
  zsh: `#compdef starlight
_starlight() {
  local -a found
  found=("\${(@f)$(starlight __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _starlight starlight`,
  fish: `complete -c starlight -f -a '(starlight __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};

export async function action(_options: object, [shell = ""]: string[]): Promise<void> {
  const script = scripts[shell];
  if (script === undefined)
    throw new CommandError(
      "usage",
      `no completion for ${JSON.stringify(shell)}: use ${Object.keys(scripts).join(", ")}`,
    );
  print(script);
  await Promise.resolve();
}
