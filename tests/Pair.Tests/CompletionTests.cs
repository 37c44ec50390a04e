namespace StorageOs.Pair.Tests;

/// <summary>What a shell and a reader of manuals get of the commands.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class CompletionTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("completion-test-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData("storageos take", "takeover")]
    [InlineData("storageos takeover --gr", "--group")]
    [InlineData("storageos takeover --group ", "0 1 all")]
    [InlineData("storageos plugin up", "upgrade")]
    public void Bash_completes_commands_options_and_values(string line, string expected)
    {
        // As bash calls it: the line's words, the cursor at its end.
        string script = $$"""
            PATH="{{folder.FullName}}:$PATH"
            eval "$(storageos completion bash)"
            COMP_LINE="$1"; COMP_POINT=${#1}; COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            [ "${1: -1}" != " " ] || { COMP_WORDS+=(""); COMP_CWORD=$((COMP_CWORD + 1)); }
            _storageos; echo ${COMPREPLY[*]}
            """;
        File.CreateSymbolicLink(Path.Combine(folder.FullName, "storageos"), PairRun.Kernel);
        var (code, output, error) = PairRun.Run("bash", "-c", script, "bash", line);
        Assert.True(code == 0, error);
        Assert.Equal(expected, output.Trim());
    }

    [Fact]
    public void Every_command_has_a_manual_page_that_man_formats_without_a_word_of_complaint()
    {
        var (code, said, error) = PairRun.StorageOs("man", "--into", folder.FullName);
        Assert.True(code == 0, error);
        string[] pages = Directory.GetFiles(folder.FullName);
        Assert.Contains($"{pages.Length} pages", said);
        Assert.Contains(pages, page => page.EndsWith("storageos-plugin-upgrade.1"));
        foreach (string page in pages)
        {
            var (formatted, text, complaints) = PairRun.Run(
                "groff", "-man", "-Tutf8", "-P-cbou", "-ww", page);
            Assert.True(formatted == 0 && complaints.Length == 0, $"{page}: {complaints}");
            Assert.Contains("EXIT STATUS", text);
        }
    }
}
