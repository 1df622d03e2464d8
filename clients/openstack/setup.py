"""What pyproject.toml cannot say: cheops_scope.pth goes beside the package, where Python reads it at its start."""
import setuptools
from setuptools.command.build_py import build_py


class BuildWithPth(build_py):
    def run(self):
        super().run()
        self.copy_file("cheops_scope.pth", self.build_lib)

    def get_outputs(self, include_bytecode=1):
        return [*super().get_outputs(include_bytecode), f"{self.build_lib}/cheops_scope.pth"]


setuptools.setup(cmdclass={"build_py": BuildWithPth})
