using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace StorageOs.Tidy.Tests;

/// <summary>
/// Every event of the catalogue is raised by a test: one that says so, and fails when it is not.
/// </summary>
public sealed partial class EventTests
{
    [Fact]
    public void Every_event_is_raised_by_a_test_and_every_test_raises_what_there_is()
    {
        string[] known = [.. Row().Matches(
            File.ReadAllText(Path.Combine(Repository.Root, "docs/EVENTS.md")))
            .Select(static row => row.Groups[1].Value)];
        string[] raised = [.. Raised().Distinct()];
        Assert.True(known.Length > 50, $"only {known.Length} events in docs/EVENTS.md");
        Assert.Equal([], known.Except(raised));
        Assert.Equal([], raised.Except(known));
    }

    [GeneratedRegex(@"^\| `([a-z0-9.-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    private static IEnumerable<string> Raised()
    {
        foreach (string file in Directory.EnumerateFiles(
            Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(static file => !file.Split('/').Any(static part => part is "obj" or "bin")))
        {
            foreach (MethodDeclarationSyntax method in CSharpSyntaxTree
                .ParseText(File.ReadAllText(file)).GetRoot().DescendantNodes()
                .OfType<MethodDeclarationSyntax>())
            {
                AttributeSyntax[] attributes =
                    [.. method.AttributeLists.SelectMany(static list => list.Attributes)];
                if (attributes.FirstOrDefault(static one => $"{one.Name}" == "Raises") is { } raises)
                {
                    // A test that runs: not skipped, not a soak.
                    Assert.Contains(attributes, static one =>
                        $"{one.Name}" is "Fact" or "Theory" && !$"{one}".Contains("Skip"));
                    foreach (AttributeArgumentSyntax id in raises.ArgumentList!.Arguments)
                    {
                        yield return ((LiteralExpressionSyntax)id.Expression).Token.ValueText;
                    }
                }
            }
        }
    }
}
