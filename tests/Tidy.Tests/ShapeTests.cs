using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace StorageOs.Tidy.Tests;

/// <summary>How sources are written.</summary>
public sealed class ShapeTests
{
    private const int FunctionLinesMax = 70;
    private const int LineCharsMax = 100;

    [Fact]
    public void A_function_has_at_most_70_lines()
    {
        List<string> found = [];
        foreach (string path in Repository.Sources)
        {
            foreach (SyntaxNode node in Repository.Parse(path).DescendantNodes())
            {
                if (node is BaseMethodDeclarationSyntax or AccessorDeclarationSyntax
                    or LocalFunctionStatementSyntax or PropertyDeclarationSyntax)
                {
                    FileLinePositionSpan span = node.GetLocation().GetLineSpan();
                    int lines = span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
                    if (lines > FunctionLinesMax)
                    {
                        found.Add($"{path}:{span.StartLinePosition.Line + 1} has {lines} lines");
                    }
                }
            }
        }

        Assert.Empty(found);
    }

    [Fact]
    public void A_line_has_at_most_100_characters()
    {
        List<string> found = [];
        foreach (string path in Repository.Sources)
        {
            string[] lines = Repository.Read(path).Split('\n');
            for (int index = 0; index < lines.Length; index++)
            {
                if (lines[index].Length > LineCharsMax)
                {
                    found.Add($"{path}:{index + 1} has {lines[index].Length} characters");
                }
            }
        }

        Assert.Empty(found);
    }

    [Fact]
    public void Unsafe_code_lies_in_Interop_folders_and_mapped_memory_alone()
    {
        IEnumerable<string> found = Repository.Sources
            .Where(path => !path.Contains("/Interop/", StringComparison.Ordinal)
                && !Path.GetFileName(path).StartsWith("Mapped", StringComparison.Ordinal))
            .Where(path => Repository.Parse(path).DescendantTokens()
                .Any(token => token.IsKind(SyntaxKind.UnsafeKeyword)));
        Assert.Empty(found);
    }

    [Fact]
    public void Calls_into_native_code_are_declared_in_Interop_folders_alone()
    {
        IEnumerable<string> found = Repository.Sources
            .Where(path => !path.Contains("/Interop/", StringComparison.Ordinal))
            .Where(path => Repository.Parse(path).DescendantNodes().OfType<AttributeSyntax>()
                .Any(attribute => attribute.Name.ToString() is "LibraryImport" or "DllImport"));
        Assert.Empty(found);
    }

    [Fact]
    public void Nothing_is_swallowed_and_nothing_is_left_to_do()
    {
        List<string> found = [];
        foreach (string path in Repository.Sources)
        {
            found.AddRange(Repository.Parse(path).DescendantNodes().OfType<CatchClauseSyntax>()
                .Where(node => node.Declaration is null && node.Filter is null
                    && node.Block.Statements.Count == 0)
                .Select(_ => $"{path}: an empty catch of everything"));
            if (Repository.Read(path).Contains("TODO", StringComparison.Ordinal))
            {
                found.Add($"{path}: TODO");
            }
        }

        Assert.Empty(found);
    }
}
